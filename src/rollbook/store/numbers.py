"""Numbers that are given out one after another: where several writers ask, each takes a block for itself."""

from __future__ import annotations

from rollbook.store import Writing


class Numbers:
    """One kind of numbers, by the statement that answers the first number of the next block, and the block's width."""

    def __init__(self, statement: str) -> None:
        self._statement = statement
        self._blocks: dict[int, tuple[int, int]] = {}

    def take(self, tx: Writing, user_no: int) -> int:
        """A number that the user has for nothing else. What is left of a block is not given back, so there are gaps."""
        owner = 0 if tx.blocks else user_no
        first, width = self._blocks.get(owner, (0, 0))
        if not width:
            first, width = tx.rows(self._statement, user_no=user_no)[0]
        self._blocks[owner] = (first + 1, width - 1)
        return first

    def clear(self) -> None:
        """Forget what was taken and not used."""
        self._blocks.clear()
