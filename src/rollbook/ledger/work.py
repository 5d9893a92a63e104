"""One batch of writes: the sessions, calls and sums that it touches, loaded in bulk and changed in memory.

Nothing in here knows a rule; it finds, makes and remembers, and ``saving`` writes it in bulk. Cached sessions are
copied at the first touch, and the copies replace them only after the commit, so a rollback leaves no ghosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Final, NamedTuple, TypeVar

from rollbook.errors import Gone, NotFound
from rollbook.journal.sql import JournalWork
from rollbook.ledger import state as st
from rollbook.ledger.cache import Cache
from rollbook.ledger.facts import Info
from rollbook.ledger.holding import Reach
from rollbook.ledger.names import Slice, guessed
from rollbook.ledger.notes import Notes
from rollbook.ledger.ops import SourceFile
from rollbook.ledger.state import LedgerRow, State
from rollbook.model import QUARTER_US, Kind
from rollbook.rules import life as lives
from rollbook.store import Row, Writing

_HASH_BYTES: Final = 12

T = TypeVar("T")
Place = tuple[int, int, int]  #: user, session, row of a ledger row


class Key(NamedTuple):
    """What a call's name points at: the row that stands for it, or (an alias) its first name."""

    alias_of: str | None
    session_no: int
    row_no: int


MISSING: Final = Key(None, 0, -2)  #: of a name that has not been looked up
RETRACTED: Final = Key(None, 0, 0)  #: of what is no call; no session has the number 0
PRUNED: Final = Key(None, 0, -1)  #: of a call that was pruned or purged


def hash_of_session(user_id: str, session_id: str) -> bytes:
    """What is left of a purged session."""
    return blake2b(f"{user_id}\0{session_id}".encode(), digest_size=_HASH_BYTES).digest()


def hash_of_call(user_id: str, name: str) -> bytes:
    """What is left of a name of a call that was pruned or purged."""
    return blake2b(f"{user_id}\0\0{name}".encode(), digest_size=_HASH_BYTES).digest()


class Work:
    """The unit of work of one transaction."""

    def __init__(self, tx: Writing, cache: Cache, now: int) -> None:
        self.tx = tx
        self.cache = cache
        self.names = cache.names
        self.now = now
        self.held: set[tuple[int, int]] = set()  #: sessions that nobody else can change meanwhile
        self.states: dict[tuple[int, int], State] = {}
        self.absent: set[tuple[int, str]] = set()
        self.purged_ids: set[tuple[int, str]] = set()  #: of the absent ones
        self.purged_states: dict[tuple[int, int], State] = {}  #: sessions that this batch removes wholly
        self.infos: dict[tuple[int, int], Info] = {}
        self.dirty_infos: set[tuple[int, int]] = set()
        self.keys: dict[tuple[str, int], Key | None] = {}
        self.stored_keys: set[tuple[str, int]] = set()  #: names that were found, whatever they lead to
        self.new_keys: dict[tuple[str, int], Key] = {}
        self.changed_keys: dict[tuple[str, int], Key] = {}
        self.rows: dict[Place, LedgerRow] = {}
        self.new_rows: dict[Place, LedgerRow] = {}
        self.gone_rows: set[Place] = set()
        self.gone_keys: set[tuple[str, int]] = set()
        self.lost_keys: set[tuple[str, int]] = set()  #: names of which only a hash is to stay
        self.leaving: list[int] = []  #: users of whom nothing is to be kept
        self.complete: dict[tuple[int, int], dict[int, LedgerRow]] = {}
        self.changed_late: dict[Place, LedgerRow] = {}
        self.changed_evidence: dict[Place, LedgerRow] = {}
        self.alikes: dict[tuple[str, int], dict[str, int]] = {}  #: places of calls that are alike, as far as looked at
        self.unsettled: set[tuple[int, int]] = set()  #: sessions whose last model has to be found anew
        self.spend: dict[tuple[int, int, int, int], st.Vector] = {}
        self.files: list[tuple[int, SourceFile]] = []
        self.journal = JournalWork(tx, cache.journal, partial(self.names.stream, tx), self._journal_of)
        self.notes = Notes(tx, now)
        self.outdone: list[State] = []  #: sessions that were just told of their first call of better evidence
        self.cleared: list[tuple[str, str, int]] = []  #: journals elsewhere that are removed as they were to be

    def let_go(self) -> None:
        """Let what refers to this in a circle go, so that all of it is freed at once and nobody has to look for it."""
        self.journal.let_go()

    # Sessions

    def reaches(self, user_no: int, session_no: int) -> None:
        """See to it that a session may be changed. Raises Reach where others may be changing it."""
        if self.tx.shared and (user_no, session_no) not in self.held and (user_no, session_no) not in self.states:
            raise Reach(places={(user_no, session_no)})

    def _journal_of(self, user_no: int, root_no: int) -> None:
        """A journal is about to be changed: whoever remembers its heads knows by its root's version."""
        place = (user_no, root_no)
        self.reaches(*place)
        # (Of a root that was purged only its forks are left, and nobody remembers their heads.)
        if self.tx.shared and (place in self.cache.states or place in self.states):
            self.state(*place)

    def preload(self, wanted: Iterable[tuple[int, str]]) -> None:
        """Load in bulk the sessions that the batch will ask for."""
        by_id = self.cache.by_id
        missing = [key for key in set(wanted) if key not in by_id and key not in self.absent]
        if missing:
            self._load("sessions_by_id", missing)
            absent = [key for key in missing if key not in by_id]
            self.absent.update(absent)
            self._look_for_purged(absent)

    def _look_for_purged(self, absent: Sequence[tuple[int, str]]) -> None:
        if absent and self._any_purged():
            name_of = self.names.user_id
            hashes = {hash_of_session(name_of(self.tx, key[0]), key[1]): key for key in absent}
            self.purged_ids.update(self._purged(hashes))

    def _any_purged(self) -> bool:
        if self.names.purged is None:
            self.names.purged = bool(self.tx.rows("any_purged"))
        return self.names.purged

    def _purged(self, hashes: Mapping[bytes, T]) -> list[T]:
        """Those of which nothing but a hash is left."""
        return [hashes[bytes(row[0])] for row in self.tx.among("purged_among", [(each,) for each in hashes])]

    def _load(self, statement: str, keys: Sequence[Row]) -> None:
        self.take([State(row) for row in self.tx.among(statement, keys)])

    def take(self, loaded: list[State]) -> None:
        """Remember sessions as they are stored, with their models."""
        places = {(state.user_no, state.session_no): state for state in loaded}
        if places:
            for user_no, session_no, model_no, *sums in self.tx.among("models_of", list(places)):
                places[user_no, session_no].models[model_no] = tuple(sums)
        self.cache.keep(loaded)

    def find(self, user_no: int, session_id: str) -> State | None:
        """The session under change, or None if the book has none of that id. Raises Gone if it was purged."""
        key = (user_no, session_id)
        number = self.cache.by_id.get(key)
        if number is None and key not in self.absent:
            if self.tx.shared:
                raise Reach(names={key})
            self.preload([key])
            number = self.cache.by_id.get(key)
        if number is not None:
            return self.state(user_no, number)
        if key in self.purged_ids:
            raise Gone(f"session {session_id!r} was purged")
        return None

    def existing(self, user_id: str, session_id: str, *, deleted: bool = False) -> State:
        """A session that has to be there. Raises NotFound, and Gone for a deleted one unless that is as good."""
        user_no = self.names.find_user(self.tx, user_id)
        state = None if user_no is None else self.find(user_no, session_id)
        if state is None:
            raise NotFound(f"there is no session {session_id!r}")
        if state.deleted and not deleted:
            raise Gone(f"session {session_id!r} was deleted")
        return state

    def state(self, user_no: int, session_no: int) -> State:
        """A session by its number, as this batch has it so far."""
        place = (user_no, session_no)
        working = self.states.get(place)
        if working is None:
            self.reaches(user_no, session_no)
            if place not in self.cache.states:
                self._load("sessions_by_no", [place])
            working = self.states[place] = self.cache.states[place].copy()
        return working

    def create(self, user_no: int, session_id: str, at: int, sign: int) -> State:
        """A new running session; ``sign`` is the time of its first activity, or 0 where an end came first."""
        number = self.cache.session_numbers.take(self.tx, user_no)
        slice_no = self.names.slice(self.tx, Slice(user_no, "", "", Kind.INTERACTIVE, "", 0, guessed(session_id)))
        blank = (user_no, number, session_id, lives.RUNNING, slice_no, at, at, None, sign, 1, at, 0, 0)
        made = State((*blank, *st.ZERO, 0, 0, 0, 0, 0, 0, 0, "", 0, 0))
        self.states[user_no, number] = made
        self.absent.discard((user_no, session_id))
        # Later lookups in this batch find it by its id; a rollback clears the cache.
        self.cache.by_id[user_no, session_id] = number
        return made

    def purge(self, state: State) -> None:
        """Let nothing of a session be saved, and drop what is stored of it."""
        place = (state.user_no, state.session_no)
        rows = self.rows_of(state)
        self.lose_keys_of(rows)
        for row in rows:
            self.drop_row(state, row)
        self.purged_states[place] = state
        self.names.purged = True
        self.cache.by_id.pop((state.user_no, state.session_id), None)
        self.absent.add((state.user_no, state.session_id))
        self.purged_ids.add((state.user_no, state.session_id))

    # Facts

    def preload_infos(self, places: Iterable[tuple[int, int]]) -> None:
        missing = [place for place in set(places) if place not in self.infos]
        if missing:
            for user_no, session_no, text in self.tx.among("infos_of", missing):
                self.infos[user_no, session_no] = Info(user_no, session_no, text)
            for place in missing:
                self.infos.setdefault(place, Info(*place))

    def info(self, state: State) -> Info:
        place = (state.user_no, state.session_no)
        self.preload_infos([place])
        return self.infos[place]

    # Calls

    def preload_keys(self, wanted: Iterable[tuple[str, int]]) -> None:
        """Load in bulk what is known under the names of calls, and the rows that stand for them."""
        missing = [key for key in dict.fromkeys(wanted) if key not in self.keys]
        while missing:
            for name, user_no, alias_of, session_no, row_no in self.tx.among("keys_of", missing):
                self.keys[name, user_no] = Key(alias_of, session_no, row_no)
                self.stored_keys.add((name, user_no))
            found = [(key, self.keys.setdefault(key, None)) for key in missing]
            places = [(key[1], at.session_no, at.row_no) for key, at in found if at and at.alias_of is None]
            places = [place for place in places if place not in self.rows]
            for row in self.tx.among("ledger_rows", places):
                self.rows[row[0], row[1], row[2]] = list(row)
            self._look_for_lost([key for key, at in found if at is None])
            targets = {(at.alias_of, key[1]) for key, at in found if at and at.alias_of is not None}
            missing = [key for key in targets if key not in self.keys]

    def _look_for_lost(self, unknown: Sequence[tuple[str, int]]) -> None:
        """Learn which unknown names are those of calls that were pruned or purged."""
        if unknown and self._any_purged():
            name_of = self.names.user_id
            hashes = {hash_of_call(name_of(self.tx, key[1]), key[0]): key for key in unknown}
            self.keys.update(dict.fromkeys(self._purged(hashes), PRUNED))

    def known(self, name: str, others: Sequence[str], user_no: int) -> list[str]:
        """The first names of the calls that are known under any of these names: none, one, or several to be joined."""
        found: list[str] = []
        keys = self.keys
        for each in (name, *others):
            if keys.get((each, user_no), MISSING) is not None:  # most are known to be new
                first = self.resolve(each, user_no)
                if first is not None and first not in found:
                    found.append(first)
        return found

    def resolve(self, name: str, user_no: int) -> str | None:
        """The first name of the call that is known under a name, or None."""
        asked, known = name, self._key(name, user_no)
        while known is not None and known.alias_of is not None:
            name = known.alias_of
            known = self._key(name, user_no)
        if known is None:
            if (asked, user_no) in self.stored_keys and self.tx.shared and (user_no, 0) not in self.held:
                raise Reach(users={user_no})  # no session's row stands for it, and somebody else may take it too
            self.keys[asked, user_no] = None  # it leads nowhere: whoever uses it next may have it
            return None
        return name

    def _key(self, name: str, user_no: int) -> Key | None:
        key = (name, user_no)
        if key not in self.keys:
            self.preload_keys([key])
        return self.keys[key]

    def set_key(self, name: str, user_no: int, key: Key) -> None:
        at = (name, user_no)
        self.keys[at] = key
        (self.changed_keys if at in self.stored_keys else self.new_keys)[at] = key
        if self.gone_keys:
            self.gone_keys.discard(at)

    def lose_key(self, name: str, user_no: int) -> None:
        """Keep nothing of a name but a hash, by which it is known again."""
        key = (name, user_no)
        self.keys[key] = PRUNED
        self.new_keys.pop(key, None)
        self.changed_keys.pop(key, None)
        self.gone_keys.add(key)
        self.lost_keys.add(key)
        self.names.purged = True

    def forget_key(self, name: str, user_no: int) -> None:
        """Keep nothing of a name: whoever uses it next may have it."""
        key = (name, user_no)
        self.keys[key] = None
        self.new_keys.pop(key, None)
        self.changed_keys.pop(key, None)
        if key in self.stored_keys:
            self.gone_keys.add(key)

    def lose_keys_of(self, rows: Sequence[LedgerRow]) -> None:
        """The same for the names of the calls that rows stand for."""
        self.preload_keys((row[st.L_USAGE_ID], row[0]) for row in rows)
        for row in rows:
            key = self.keys[row[st.L_USAGE_ID], row[0]]
            if key == RETRACTED or (key is not None and key.alias_of is None and key[1:] == (row[1], row[2])):
                self.lose_key(row[st.L_USAGE_ID], row[0])

    def loose_keys(self, after: tuple[str, int], upto: tuple[str, int]) -> list[tuple[str, int]]:
        """Other names of calls, in a stretch of the stored ones, that lead to no call any more."""
        bounds = {"after_key": after[0], "after_user": after[1], "upto_key": upto[0], "upto_user": upto[1]}
        stored = [(row[0], row[1]) for row in self.tx.rows("loose_aliases", **bounds)]
        self.preload_keys(stored)
        return [key for key in stored if self._leads_nowhere(*key)]

    def _leads_nowhere(self, name: str, user_no: int) -> bool:
        key = self.keys[name, user_no]
        if key is None or key.alias_of is None:
            return False
        first = self.resolve(name, user_no)
        return first is None or self.is_pruned(first, user_no)

    def is_pruned(self, name: str, user_no: int) -> bool:
        """Whether a call, which is given by its first name, was pruned or purged."""
        return self.keys[name, user_no] == PRUNED

    def is_retracted(self, name: str, user_no: int) -> bool:
        """Whether what is known under a first name is no call."""
        return self.keys[name, user_no] == RETRACTED

    def row_of(self, name: str, user_no: int) -> LedgerRow:
        """The ledger row that stands for a call, by the call's first name."""
        key = self.keys[name, user_no]
        assert key is not None  # noqa: S101 - resolve() found it
        return self.rows[user_no, key.session_no, key.row_no]

    def add_row(self, state: State, row: LedgerRow) -> None:
        row[st.L_ROW] = state.ledger_rows
        state.ledger_rows += 1
        self.rows[row[0], row[1], row[2]] = self.new_rows[row[0], row[1], row[2]] = row
        known = self.complete.get((state.user_no, state.session_no))
        if known is not None:
            known[row[2]] = row

    def rows_of(self, state: State) -> list[LedgerRow]:
        """Every ledger row of a session, with this batch's changes."""
        place = (state.user_no, state.session_no)
        rows = self.complete.get(place)
        if rows is None:
            stored = self._own(self.tx.rows("ledger_of", user_no=place[0], session_no=place[1]))
            rows = self.complete[place] = {row[2]: row for row in stored + self._new_of(place)}
        return list(rows.values())

    def _new_of(self, place: tuple[int, int]) -> list[LedgerRow]:
        return [row for at, row in self.new_rows.items() if at[:2] == place]

    def _own(self, stored: Iterable[Row]) -> list[LedgerRow]:
        """Stored ledger rows as this batch has them: those that it dropped are not there any more."""
        places = ((row, (row[0], row[1], row[2])) for row in stored)
        return [self.rows.setdefault(at, list(row)) for row, at in places if at not in self.gone_rows]

    def foldable(self, state: State, before: int, most: int) -> list[LedgerRow]:
        """Stored ledger rows of calls made before a time that are no closing rows, at most so many."""
        place = {"user_no": state.user_no, "session_no": state.session_no}
        return self._own(self.tx.rows("foldable", before=before, most=most, **place))

    def closings(self, state: State) -> list[LedgerRow]:
        """The closing rows of a session."""
        place = (state.user_no, state.session_no)
        stored = self._own(self.tx.rows("closings_of", user_no=place[0], session_no=place[1]))
        return stored + [row for row in self._new_of(place) if row[st.L_ENTRY] == st.ENTRY_CLOSING]

    def drop_row(self, state: State, row: LedgerRow) -> None:
        """Take a row out of the ledger; the sums are the caller's business."""
        place = (row[0], row[1], row[2])
        if self.new_rows.pop(place, None) is None:
            self.gone_rows.add(place)
        self.rows.pop(place, None)
        self.changed_late.pop(place, None)
        self.changed_evidence.pop(place, None)
        known = self.complete.get(place[:2])
        if known is not None:
            known.pop(row[2], None)
        state.pruned_rows += 1

    def add_spend(self, state: State, row: LedgerRow, amounts: st.Vector) -> None:
        """Add a ledger row's amounts to Spend, where its session's spend is kept now."""
        calls, tokens_in, tokens_out, _, _, _, cost, unpriced, _ = amounts
        key = (state.user_no, row[st.L_OCCURRED] // QUARTER_US, state.slice_no, row[st.L_MODEL])
        late = row[st.L_LATE]
        added = (calls, tokens_in, tokens_out, cost, unpriced, calls if late else 0, cost if late else 0)
        sums = self.spend.get(key)
        self.spend[key] = added if sums is None else st.plus(sums, added)
