"""What a book says of itself as a copy: of which book, whether it is whole, and what it held when it was."""

from __future__ import annotations

from typing import Final

import msgspec

from rollbook.errors import Conflict
from rollbook.store import Reading, Writing
from rollbook.store.half import UNFINISHED
from rollbook.store.tables import TABLES

Figures = dict[str, list[int]]  #: by table: how many rows, and what each of their columns comes to

_COPY: Final = "copy_of"
_HELD: Final = "copied"
ID: Final = "id"  #: by what a place for journals outside knows whose it is
_OTHER: Final = "choose another book, or a new one, to copy into"


class Origin(msgspec.Struct, frozen=True):
    """Of which book one is a copy: its id, if it has one, and where it is."""

    id: str | None
    where: str

    def same(self, other: Origin) -> bool:
        """Whether two are one book, as far as can be told."""
        return self.id == other.id if self.id and other.id else self.where == other.where


_figures: Final = msgspec.json.Decoder(Figures)
_origin: Final = msgspec.json.Decoder(Origin)


def fact(tx: Reading, name: str) -> str | None:
    """What is known of the book itself under a name."""
    found = tx.rows("copying.fact", name=name)
    return found[0][0] if found else None


def unfinished(tx: Reading) -> str | None:
    """Where the book is that this one is to become a copy of, and is not yet; None for any other book."""
    if fact(tx, UNFINISHED) is None:
        return None
    said = fact(tx, _COPY)
    return _origin.decode(said).where if said else "another book"


def figures(tx: Reading, name: str) -> list[int]:
    """What there is in a table."""
    return [it or 0 for it in tx.rows(f"copying.figures@{name}")[0]]


def figures_of(tx: Reading) -> Figures:
    """What there is in each table."""
    return {name: figures(tx, name) for name in TABLES}


def takes(tx: Reading, origin: Origin, where: str) -> Figures | None:
    """What a book holds that is a whole copy of another one. Raises Conflict unless it is, or may become one."""
    said = fact(tx, _COPY)
    if said is None:
        if any(tx.rows(f"copying.any@{name}") for name in TABLES):
            raise Conflict(f"{where} has contents of its own, which a copy would replace; {_OTHER}")
        return None
    known = _origin.decode(said)
    if not known.same(origin):
        raise Conflict(f"{where} is a copy of another book ({known.where}); {_OTHER}")
    held = fact(tx, _HELD)
    if fact(tx, UNFINISHED) is not None or held is None:
        return None
    found = figures_of(tx)
    if found != _figures.decode(held):
        raise Conflict(f"{where} has been written to since it was copied, which a copy would undo; {_OTHER}")
    return found


def begin(tx: Writing, origin: Origin) -> None:
    """Note that a copy is being made."""
    tx.run("copying.set_fact", [(_COPY, msgspec.json.encode(origin).decode()), (UNFINISHED, "1")])


def take_back(tx: Writing) -> None:
    """Forget that a copy was begun into what turned out to be the same book."""
    tx.run("copying.drop_fact", [(_COPY,), (UNFINISHED,)])


def finish(tx: Writing, origin: Origin, held: Figures) -> None:
    """Note that it is whole, and what it holds."""
    tx.run("copying.set_fact", [(_HELD, msgspec.json.encode(held).decode())])
    if origin.id is not None:
        tx.run("copying.set_fact", [(ID, origin.id)])
    tx.run("copying.drop_fact", [(UNFINISHED,)])
