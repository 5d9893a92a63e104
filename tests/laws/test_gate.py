"""R6: what is about the whole book is an administrator's, by whatever method it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

import rollbook
from rollbook.errors import Forbidden
from rollbook.principals import Principal

from .tools import Clock, opened

ANN: Final = "00000000-0000-4000-8000-00000000000a"
BOB: Final = "00000000-0000-4000-8000-00000000000b"

WHOLE: Final[dict[str, Callable[[Any, Path], Any]]] = {
    "backup": lambda book, folder: book.backup(folder / "copy.db"),
    "restore": lambda book, folder: book.restore(folder / "copy.db"),
    "copy_to": lambda book, folder: book.copy_to(folder / "other.db"),
    "verify": lambda book, _: book.verify(),
    "doctor": lambda book, _: book.doctor(),
    "reconcile": lambda book, _: book.reconcile(wait=False),
    "prune": lambda book, _: book.prune(sessions=timedelta(days=1)),
    "purge": lambda book, _: book.purge("s"),
    "purge_user": lambda book, _: book.purge_user(),
    "wipe_journal": lambda book, _: book.wipe_journal(),
    "reprice": lambda book, _: book.reprice(dry_run=True),
    "create_key": lambda book, _: book.create_key(ANN),
    "keys": lambda book, _: book.keys(),
    "revoke_key": lambda book, _: book.revoke_key("0" * 12),
    "grant": lambda book, _: book.grant(ANN, BOB),
    "revoke_grant": lambda book, _: book.revoke_grant(ANN, BOB),
    "grants": lambda book, _: book.grants(),
    "set_parent": lambda book, _: book.set_parent(ANN, BOB),
    "families": lambda book, _: book.families(),
}


@pytest.mark.parametrize("role", ["reader", "writer"])
@pytest.mark.parametrize("name", sorted(WHOLE))
def test_r6_the_whole_book_is_an_administrators(name: str, role: str, tmp_path: Path) -> None:
    with opened(Clock()) as book:
        book.touch("s", user_id=ANN)
        acting = book.acting(Principal(user_id=ANN, role=role))
        with pytest.raises(Forbidden):
            WHOLE[name](acting, tmp_path)
        assert book.get("s", user_id=ANN).session_id == "s"


def test_r6_a_view_closes_nothing() -> None:
    with opened(Clock()) as book:
        book.acting(Principal(user_id=ANN, role="writer")).close()
        assert book.touch("s").status == "running"


def test_r6_writes_for_others_are_refused_one_by_one() -> None:
    with opened(Clock()) as book:
        acting = book.acting(Principal(user_id=ANN, role="writer", children=frozenset([BOB])))
        told = acting.record_many([
            {"session_id": "own"}, {"session_id": "childs", "user_id": BOB}, {"session_id": "x", "user_id": "carol"},
        ])  # fmt: skip
        assert [str(type(each).__name__) for each in told] == ["Outcome", "Outcome", "Forbidden"]
        assert {each.session_id for each in book.list(limit=10).sessions} <= {"own", "childs"}


def test_r6_a_dataset_needs_a_grant_to_write() -> None:
    dataset = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    with opened(Clock()) as book:
        reader = book.acting(Principal(user_id=ANN, role="writer", reads=frozenset([dataset])))
        with pytest.raises(Forbidden):
            reader.touch("s", dataset_id=dataset)
        writer = book.acting(Principal(user_id=ANN, role="writer", writes=frozenset([dataset])))
        assert writer.touch("s", dataset_id=dataset).dataset_id == dataset


def test_r6_a_parent_may_be_of_the_user_above_or_below() -> None:
    with opened(Clock()) as book:
        book.touch("top", user_id=ANN)
        with pytest.raises(rollbook.InvalidInput):
            book.touch("below", user_id=BOB, parent="top", parent_user_id=ANN)
        book.touch("below", user_id=BOB)
        book.set_parent(BOB, ANN)
        book.touch("below", user_id=BOB, parent="top", parent_user_id=ANN)
        assert [each.session_id for each in book.children("top", user_id=ANN)] == []  # of that user alone
        acting = book.acting(Principal(user_id=ANN, role="reader", children=frozenset([BOB])))
        assert [each.session_id for each in acting.children("top")] == ["below"]
        with pytest.raises(rollbook.InvalidInput):
            book.touch("top", user_id=ANN, parent="below", parent_user_id=BOB)
