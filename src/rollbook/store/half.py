"""Books that are being made from others: until one is whole, nobody but who copies writes to it."""

from __future__ import annotations

from typing import Final

from rollbook.errors import StoreError
from rollbook.store import Reading

UNFINISHED: Final = "copying"  #: the fact that says so of a book


def refuse_half(tx: Reading) -> None:
    """Raise StoreError in a book into which another one is being copied: what is written now would not stay."""
    if tx.rows("copying.fact", name=UNFINISHED):
        raise StoreError("this book is a copy that is not whole yet; run 'rollbook copy' again before you use it")
