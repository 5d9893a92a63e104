"""Copies a book, saying so after each transaction: FROM TO."""

from __future__ import annotations

import sys

import rollbook
from rollbook.copying import rows
from rollbook.plans import Plans
from rollbook.settings import Settings

setattr(rows, "_ROWS", int(sys.argv[3]))  # noqa: B010 - which is final
_patiently = rows.patiently


def patiently(*arguments: object) -> None:
    _patiently(*arguments)  # type: ignore[arg-type]
    print("written")


rows.patiently = patiently  # type: ignore[assignment]  # of looser types
with rollbook.Rollbook(Plans(sys.argv[1], user=None, all_users=True, settings=Settings())) as book:
    book.copy_to(sys.argv[2])
print("whole")
