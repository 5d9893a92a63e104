"""Writing what a unit of work changed: tables in a fixed order, rows in the order of their keys."""

from __future__ import annotations

import operator
from functools import partial
from typing import Any, Final

import msgspec

from rollbook.ledger import state as st
from rollbook.ledger.names import ALL_TIME, EVERY_SLICE, EVERYBODY, of_quarter, spent_in_day, spent_in_hour
from rollbook.ledger.ops import SourceFile
from rollbook.ledger.state import State
from rollbook.ledger.work import Work, hash_of_call, hash_of_session
from rollbook.model import DAY_QUARTERS, QUARTERS
from rollbook.store import Row

_first: Final = operator.itemgetter(0)
_by_name: Final = operator.attrgetter("user_no", "session_id")

#: How often a statement about a user names it, if more than once.
_NAMED: Final = {"drop_user_files": 2, "drop_grants_of": 2, "drop_user": 3}


def save(work: Work) -> None:
    """Write everything, within the transaction of the work."""
    tx = work.tx
    states = [work.states[place] for place in sorted(work.states)]
    kept = [state for state in states if (state.user_no, state.session_no) not in work.purged_states]
    for state in kept:
        state.version += 1
    if tx.shared:  # new ones in an order that another writer, who numbers them otherwise, has as well
        kept.sort(key=_by_name)
    everybodys = _everybodys_spend(work)  # which may need names: before anything is written
    tx.put("save_sessions", [state.row() for state in kept])
    _save_infos(work)
    _save_models(work, states)
    tx.run("drop_ledger", sorted(work.gone_rows))
    tx.put("add_ledger", [row for _, row in sorted(work.new_rows.items())])
    tx.run("set_late", [(row[st.L_LATE], *place) for place, row in sorted(work.changed_late.items())])
    tx.run(
        "set_evidence",
        [
            (row[st.L_EVIDENCE], row[st.L_SOURCE], row[st.L_WEIGHT], *place)
            for place, row in sorted(work.changed_evidence.items())
        ],
    )
    tx.run("drop_keys", sorted(work.gone_keys))
    tx.put("add_purged", _hashes(work))
    for statement, named in (("add_keys", work.new_keys), ("save_keys", work.changed_keys)):
        keys = [(*name, *key) for name, key in named.items()]
        keys.sort(key=_first)  # in the order of the index; no name stands twice for a user
        tx.put(statement, keys)
    # All sums first: whoever adds to the same ones does so in the same order.
    emptied = {"spend": _save_spend(work, everybodys)} | _save_activity(work, states)
    for name, spent in emptied.items():
        tx.run(f"drop_empty_{name}", spent)
    work.notes.save()
    work.journal.save()
    tx.run("journal.drop_outbox", sorted(work.cleared))
    tx.put("save_files", [_file_row(user_no, file) for user_no, file in work.files])
    if work.purged_states:
        _save_purges(work)
        tx.rows("journal.drop_streams")
        work.names.streams.clear()
    _save_leaving(work)


def _save_infos(work: Work) -> None:
    kept, dropped = [], []
    for place in sorted(work.dirty_infos):
        if work.states[place].deleted:
            dropped.append(place)
        else:
            kept.append(work.infos[place].row())
    work.tx.put("save_infos", kept)
    work.tx.run("drop_infos", dropped)


def _save_models(work: Work, states: list[State]) -> None:
    kept, dropped = [], []
    for state in states:
        before = state.source.models if state.source else {}
        place = (state.user_no, state.session_no)
        for number, sums in state.models.items():
            if sums is not before.get(number):  # a changed one is another object
                kept.append((*place, number, *sums))
        dropped += [(*place, number) for number in before if number not in state.models]
    kept.sort()
    work.tx.put("save_models", kept)
    work.tx.run("drop_models", dropped)


def _everybodys_spend(work: Work) -> dict[Any, st.Vector]:
    """What is added to Spend, as it adds to everybody's."""
    everybodys: dict[Any, st.Vector] = {}
    for (_, quarter, slice_no, model_no), amounts in work.spend.items():
        whole = work.names.everybodys_slice(work.tx, slice_no)
        _gather(everybodys, (EVERYBODY, quarter, whole, model_no), amounts)
    return everybodys


def _save_spend(work: Work, everybodys: dict[Any, st.Vector]) -> list[Row]:
    """Add to Spend; the keys of what may have come to nothing."""
    longer: dict[Any, st.Vector] = {}
    for (_, quarter, whole, model_no), amounts in everybodys.items():
        for when in (spent_in_hour(quarter // QUARTERS), spent_in_day(quarter // DAY_QUARTERS)):
            _gather(longer, (EVERYBODY, when, whole, model_no), amounts)
    sums = longer | everybodys | work.spend
    changed = sorted((key, amounts) for key, amounts in sums.items() if any(amounts))
    work.tx.put("add_spend", [(*key, *amounts) for key, amounts in changed])
    return [key for key, amounts in changed if min(amounts) < 0]


def _save_activity(work: Work, states: list[State]) -> dict[str, list[Row]]:
    """Add to Activity; the keys of what may have come to nothing, by table."""
    places: dict[Any, st.Vector] = {}
    models: dict[Any, st.Vector] = {}
    for state in states:
        _move(places, models, state)
    kept: dict[Any, st.Vector] = {}
    for (user_no, quarter, status, slice_no), amounts in places.items():
        for when in (quarter // QUARTERS, ALL_TIME):
            _gather(kept, (user_no, when, status, slice_no), amounts)
        for when in (quarter // QUARTERS, ALL_TIME, of_quarter(quarter)):
            _gather(kept, (EVERYBODY, when, status, EVERY_SLICE), amounts)
    kept_models: dict[Any, st.Vector] = {}
    for (user_no, quarter, number), amounts in models.items():
        for when in (quarter // QUARTERS, ALL_TIME):
            _gather(kept_models, (user_no, when, number), amounts)
        for when in (quarter // QUARTERS, ALL_TIME, of_quarter(quarter)):
            _gather(kept_models, (EVERYBODY, when, number), amounts)
    emptied = {}
    for name, deltas in (("activity", kept), ("activity_model", kept_models)):
        changed = sorted((key, amounts) for key, amounts in deltas.items() if any(amounts))
        work.tx.put(f"add_{name}", [(*key, *amounts) for key, amounts in changed])
        emptied[name] = [key for key, amounts in changed if amounts[0] < 0]
    return emptied


def _save_purges(work: Work) -> None:
    """Nothing of a purged session stays but its hash; files that speak of it are read anew when they change."""
    tx, places = work.tx, sorted(work.purged_states)
    for statement in ("drop_session", "drop_infos"):
        tx.run(statement, places)
    tx.run("keep_last_no", [(session_no, session_no, user_no) for user_no, session_no in places])
    files = []
    for place in places:
        session_id = work.purged_states[place].session_id
        files.append((place[0], session_id, msgspec.json.encode(session_id)[1:-1]))
    tx.run("drop_files_of", files)
    tx.run("drop_notes_about", [(user_no, text.decode()) for user_no, _, text in files])
    # Others wait meanwhile, so the sessions that stay are not gone through. Of those that are not deleted the user's
    # sums tell: one look for each slice. What was deleted leaves no such sum; its slices, one for each dataset, lose
    # only sessions that are purged here, so each of theirs is looked for until a deleted session is found that has it.
    tx.run("drop_slices_without_sums", sorted({(user_no,) for user_no, _ in places}))
    tx.run("drop_deleted_slice", sorted({(state.slice_no,) for state in work.purged_states.values()}))
    tx.rows("drop_everybodys_slices")


def _save_leaving(work: Work) -> None:
    """Nothing of users whose sessions went before stays, unless they began anew."""
    statements = (
        "drop_slices_of", "drop_user_files", "drop_notes_of", "drop_retracted_of", "free_children", "drop_grants_of",
        "drop_access_keys", "drop_user",
    )  # fmt: skip
    for statement in statements:
        work.tx.run(statement, [(user_no,) * _NAMED.get(statement, 1) for user_no in work.leaving])
    if work.leaving:
        work.tx.rows("drop_everybodys_slices")


def _hashes(work: Work) -> list[Row]:
    """What stays of purged sessions, and of calls that were pruned or purged."""
    name_of = partial(work.names.user_id, work.tx)
    found = [hash_of_session(name_of(user_no), state.session_id) for (user_no, _), state in work.purged_states.items()]
    found += [hash_of_call(name_of(user_no), name) for name, user_no in work.lost_keys]
    return [(each,) for each in sorted(found)]


def _gather(into: dict[Any, st.Vector], key: Any, amounts: st.Vector) -> None:
    known = into.get(key)
    into[key] = amounts if known is None else st.plus(known, amounts)


def _move(places: dict[Any, st.Vector], models: dict[Any, st.Vector], state: State) -> None:
    """What Activity has to gain and to lose so that it holds a session as it is now and not as it was."""
    old, now = state.source, st.place(state)
    was = None if old is None else st.place(old)
    if old is not None and was is not None and was == now:
        _gather(places, was, st.activity_change(old, state))
        for number, after in state.models.items():
            before = old.models.get(number)
            if before is not after:  # a changed one is another object
                _gather(models, (*was[:2], number), st.minus(st.model_activity(after), st.model_activity(before)))
        for number, before in old.models.items():
            if number not in state.models:
                _gather(models, (*was[:2], number), st.minus(st.NO_MODEL, st.model_activity(before)))
        return
    if old is not None and was is not None:
        _gather(places, was, st.minus(st.NOTHING, st.activity(old)))
        for number, sums in old.models.items():
            _gather(models, (*was[:2], number), st.minus(st.NO_MODEL, st.model_activity(sums)))
    if now is not None:
        _gather(places, now, st.activity(state))
        for number, sums in state.models.items():
            _gather(models, (*now[:2], number), st.model_activity(sums))


def _file_row(user_no: int, file: SourceFile) -> Row:
    return (
        user_no,
        file.source,
        file.path,
        file.device,
        file.inode,
        file.size,
        file.offset,
        file.head_hash,
        file.mtime_ns,
        file.state,
    )
