"""What sessions can be asked for in a query, with the values that whoever asks may see: for a box that completes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from rollbook.ledger import lists, reads
from rollbook.ledger.filters import Filters
from rollbook.ledger.reads import Clock
from rollbook.ledger.scopes import Scope
from rollbook.rules.query import FIELDS, NONE
from rollbook.store import Reading

_MOST: Final = 200  #: values of one field
_LOOKED_AT: Final = 200  #: sessions, the last active, whose tags and models are named


class QueryField(msgspec.Struct, frozen=True, kw_only=True):
    """A field of queries."""

    name: str
    says: str  #: what it asks for
    kind: str  #: word | name | count | money | span | time | yes
    signs: tuple[str, ...]  #: what may stand behind the name
    values: tuple[str, ...]  #: the only ones for a word; for a name some that are there


def query_fields(tx: Reading, scope: Scope, clock: Clock) -> list[QueryField]:
    """Every field, with values that occur in what may be seen (R6)."""
    known = _known(tx, scope, clock)
    return [
        QueryField(
            name=name, says=field.says, kind=field.kind, signs=field.signs,
            values=(*_some(known.get(name, field.words)), *((NONE,) if field.may_lack else ())),
        )
        for name, field in FIELDS.items()
    ]  # fmt: skip


def _known(tx: Reading, scope: Scope, clock: Clock) -> dict[str, Iterable[str]]:
    found: dict[str, set[str]] = {name: set() for name in ("user", "dataset", "agent", "project", "tag", "model")}
    for part in scope.parts:
        visible = part.numbers
        for row in tx.rows("slices_named", user_no=None if part.everybody else part.user_no):
            if visible is None or row[0] in visible:
                found["user"].add(row[3] or row[2])
                found["dataset"].add(row[4])
                found["agent"].add(row[5])
                found["project"].add(row[7])
    page = lists.page(
        tx, scope, Filters(), clock, reads.session_of, question="", limit=_LOOKED_AT, cursor=None, offset=0
    )
    for one in page.sessions:
        found["tag"].update(one.tags)
        found["model"].update([one.last_model] if one.last_model else ())
    if scope.everybody:
        found["model"].update(row[1] for row in tx.rows("model_names"))
    return {name: sorted(values - {""}) for name, values in found.items()}


def _some(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)[:_MOST]
