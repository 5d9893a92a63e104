"""Whose sessions there are, for whoever may see them (R6), on both engines."""

from __future__ import annotations

from pathlib import Path

import pytest

import rollbook
from rollbook import to_dict

from .tools import asking, key_of, url_of

DATASET = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


@pytest.fixture(params=["sqlite", "postgres"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return url_of(tmp_path / "book.db") if request.param == "sqlite" else request.getfixturevalue("empty_book")


def test_r6_users_are_those_whose_sessions_may_be_seen(path: str) -> None:
    with rollbook.open(path, all_users=True) as book:
        book.touch("one", user_id="ann", dataset_id=DATASET)
        book.touch("two", user_id="bob@acme.example")
        book.touch("three", user_id="cid")
        book.set_parent("cid", "ann")
        everybody = to_dict(book.users())
    with asking(path) as ask:
        for key, names in (
            (key_of(path, "ann"), ["ann", "cid"]),
            (key_of(path, "bob@acme.example"), ["bob@acme.example"]),
            (key_of(path, "dora", "reader", datasets=[DATASET]), ["ann", "dora"]),
        ):
            assert [user["user_name"] for user in ask.json("/api/v1/users", key=key)["users"]] == names
        found = ask.json("/api/v1/users")["users"]
        assert [user for user in found if user in everybody] == everybody
        assert {user["user_name"] for user in found} >= {"ann", "bob@acme.example", "cid"}
