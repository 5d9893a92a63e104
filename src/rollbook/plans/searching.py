"""Plans that search what sessions contain."""

from __future__ import annotations

from builtins import list as List  # noqa: N812 - a book's own list() hides the name
from functools import partial
from typing import Final

from rollbook.content import Found
from rollbook.core import Peruse, Plan, Whole
from rollbook.errors import InvalidInput, NotSupported, StoreError
from rollbook.journal import scan
from rollbook.journal.backend import Kept, Searches
from rollbook.ledger import searching
from rollbook.ledger.searching import Asked, Shown
from rollbook.model import from_micros
from rollbook.plans.reading import ReadPlans, Since, User, asked_for
from rollbook.rules import checks, words

MOST: Final = 100  #: places of one answer
SESSIONS_MOST: Final = 500  #: that are looked through where there is no index, the latest


class SearchPlans(ReadPlans):
    """Methods that search."""

    def search(
        self,
        text: str,
        *,
        session_id: str | None = None,
        user_id: User = None,
        since: Since = None,
        agent: str | None = None,
        limit: int = 20,
    ) -> Plan[List[Found]]:
        """Find questions, answers, messages and steps that hold every word of ``text``, the best first.

        ``"a phrase"``, ``begin*`` and ``-not`` mean what they say; whatever else is typed is plain text. Case and
        accents do not matter. ``since`` bounds when entries were written, ``agent`` and ``session_id`` say of which
        sessions. Sessions are seen as :meth:`list` shows them. At most 100 places; InvalidInput for a text without a
        word, NotFound for an unknown session, NotSupported where contents are kept in a place that cannot search.
        """
        query = words.parse(text)
        if checks.count(limit, "limit", MOST) < 1:
            raise InvalidInput("limit must be at least 1")
        now = self.clock()
        asked = Asked(
            query=query,
            session_id=None if session_id is None else checks.session_id(session_id),
            filters=asked_for(now, agent=agent),
            since=checks.since(since, now) or 0,
            limit=limit,
        )
        if self.elsewhere is not None:
            return (yield from self._through(asked, user_id))
        found: List[Found] = yield self._look(user_id, searching.search, asked)
        return found

    def _through(self, asked: Asked, user_id: User) -> Plan[List[Found]]:
        """Look through the latest sessions, one by one."""
        whose: dict[str, bool] | None = yield self._look(user_id, searching.users)
        most = SESSIONS_MOST if asked.session_id is None else 0
        kept: List[Kept] = yield Whole(lambda _: self._latest(whose, most))
        names = [(one.user_id, one.session_id) for one in kept]
        shown: List[Shown] = yield self._look(user_id, searching.shown, asked, names)
        finder, hits = words.Finder(asked.query), dict[tuple[str, ...], tuple[scan.Hit, Shown]]()
        for session in shown[:SESSIONS_MOST]:
            # What a hidden session wrote may be seen in one that shares its past.
            shared = asked.session_id is not None or not (whose is None or whose.get(session.user_id, True))
            look = partial(scan.hits, finder=finder, since=asked.since, shared=shared)
            try:
                seen: List[scan.Hit] = yield Peruse(session.user_id, session.session_id, look)
            except StoreError:
                if asked.session_id is not None:
                    raise
                continue  # one that is damaged, which doctor names, keeps nobody from finding the others
            for hit in seen:
                hits.setdefault((session.user_id, *hit.of), (hit, session))
        best = sorted(hits.values(), key=lambda each: each[0].order, reverse=True)
        return [_found(*each) for each in best[: asked.limit]]

    def _latest(self, users: dict[str, bool] | None, most: int) -> List[Kept]:
        """The sessions of some users that were changed last; of users who hide some, all that are kept."""
        journals = self.journals
        if not isinstance(journals, Searches):
            raise NotSupported(
                "the contents of sessions are in Redis, which keeps no index of words; search works where they are in "
                "the book's own database or in files"
            )
        if not most:
            return []
        if users is None:
            return journals.latest(None, most)
        found: List[Kept] = []
        for user_id, whole in users.items():
            found += journals.latest(user_id, most) if whole else journals.sessions(user_id)
        return sorted(found, key=lambda kept: kept.changed_at, reverse=True)


def _found(hit: scan.Hit, session: Shown) -> Found:
    return Found(
        session_id=session.session_id,
        user_id=session.user_id,
        stream=hit.stream,
        entry_id=hit.entry_id,
        created_at=from_micros(hit.created_at),
        snippet=hit.snippet,
        score=round(hit.score, 4),
        title=session.title,
    )
