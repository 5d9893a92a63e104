"""R16: whatever is changed in the sums behind the book's back, and in what they are kept apart by, verify tells it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

import apsw
import pytest

from rollbook.ledger.ops import Op

from .tools import NOW, call, opened_at, sound, touch, write

DAY: Final = "quarter <= -1000000000"
HOUR: Final = "quarter < 0 and quarter > -1000000000"
EVERYBODYS: Final = "(select slice_no from slice where user_no = 0 and agent = 'a')"
OWN: Final = "(select slice_no from session where session_id = 'named')"
QUIET: Final = "(select slice_no from session where session_id = 'quiet')"
DAMAGES: Final = {
    "everybody's quarter hour": "update spend set cost = cost + 1 where user_no = 0 and quarter >= 0",
    "everybody's hour": f"update spend set calls = calls - 1 where {HOUR}",
    "everybody's day": f"update spend set late_cost = late_cost + 1 where {DAY}",
    "no day": f"delete from spend where {DAY}",
    "one day more": f"update spend set quarter = quarter - 1 where {DAY}",
    "a quarter hour of activity": "update activity set sessions = sessions + 1 where user_no = 0 and hour < -1",
    "everybody's slice of another agent": f"update slice set agent = 'b' where slice_no = {EVERYBODYS}",
    "everybody's slice": f"delete from slice where slice_no = {EVERYBODYS}",
    "who drives": f"update slice set driver = 'unknown' where slice_no = {OWN}",
    "whose slice": f"update slice set user_no = 77 where slice_no = {OWN}",
    "a slice without spend": f"delete from slice where slice_no = {QUIET}",
    "who drives what is deleted": "update slice set driver = 'a' where deleted = 1 and user_no > 0",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A book that balances."""
    path = tmp_path_factory.mktemp("whole") / "book.db"
    with opened_at(f"sqlite:///{path}") as book:
        named: list[Op] = [touch("named", NOW, agent="a"), call("named", "u1", NOW, cost_nano=5)]
        gone: list[Op] = [touch("gone", NOW), call("gone", "u2", NOW, cost_nano=7)]
        write(book, [*named, *gone, touch("quiet", NOW, project="p")])
        book.delete("gone")
        sound(book)
    return path.read_bytes()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_r16_every_damage_is_told(whole: bytes, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "book.db"
    path.write_bytes(whole)
    with closing(apsw.Connection(str(path))) as raw:
        raw.execute(damage)
        assert raw.changes() > 0
    with opened_at(f"sqlite:///{path}") as book:
        assert not book.verify().ok
