"""`keys`: making them, listing and revoking them, and what users are granted."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from rollbook.book import Rollbook
from rollbook.model import rfc3339

from .tools import Run

DATASET: Final = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
OTHER: Final = "11111111-5717-4562-b3fc-2c963f66afa6"


def test_a_key_is_shown_once_and_lets_its_user_in(run: Run, book: Rollbook) -> None:
    made = run("keys", "create", "--user", "ann@example.org", "--role", "reader", "--label", "dashboards")
    key = made.out.strip()
    assert re.fullmatch(r"rb_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", key)
    assert key.split("_")[1] in made.line
    who = book.known_by(key)
    assert who is not None
    assert (who.user_name, who.role) == ("ann@example.org", "reader")
    listed = run("keys", "list")
    assert "dashboards" in listed.out
    assert key.split("_", 2)[2] not in listed.out + run("--json", "keys", "list").out, "the secret is not kept"


def test_without_a_user_it_is_the_local_ones(run: Run, book: Rollbook) -> None:
    who = book.known_by(run("keys", "create").out.strip())
    assert who is not None
    assert who.user_id == book.user_id
    assert who.role == "writer"


def test_datasets_of_a_key(run: Run, book: Rollbook) -> None:
    writer = book.known_by(run("keys", "create", "--datasets", f"{DATASET}, {OTHER}").out.strip())
    reader = book.known_by(run("keys", "create", "--role", "reader", "--datasets", DATASET).out.strip())
    assert writer is not None
    assert reader is not None
    assert writer.reads == writer.writes == {DATASET, OTHER}
    assert (set(reader.reads), set(reader.writes)) == ({DATASET}, set())


def test_a_key_expires(run: Run) -> None:
    soon = run("--json", "keys", "create", "--expires", "12h").answer["expires_at"]
    left = datetime.fromisoformat(soon) - datetime.now(UTC)
    assert timedelta(hours=11) < left <= timedelta(hours=12)
    on = run("--json", "keys", "create", "--expires", "2099-01-31").answer["expires_at"]
    assert on == rfc3339(datetime(2099, 1, 31, tzinfo=UTC))
    assert "until 2099-01-31" in run("keys", "list").out


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (("--role", "king"), "reader, writer, admin"),
        (("--expires", "soon"), "30d"),
        (("--expires", "2001-01-01"), "expired already"),
        (("--expires", "99999999999999d"), "30d"),
        (("--expires", "9999-12-31T23:59:59-12:00"), "9999"),
        (("--datasets", "no-uuid"), "no-uuid"),
    ],
)
def test_wrong_use_makes_no_key(run: Run, book: Rollbook, said: tuple[str, ...], told: str) -> None:
    ran = run("keys", "create", *said)
    assert ran.status == 2
    assert told in ran.line
    assert book.keys() == []


def test_a_revoked_key_lets_nobody_in(run: Run, book: Rollbook) -> None:
    key = run("keys", "create").out.strip()
    key_id = key.split("_")[1]
    assert run("keys", "revoke", key_id).out == f"revoked {key_id}\n"
    assert book.known_by(key) is None
    assert run("keys", "revoke", key_id).out == f"{key_id} was revoked before\n"
    assert "revoked" in run("keys", "list").out
    assert run("keys", "revoke", "000000000000").status == 1
    assert run("keys", "revoke", run("keys", "create").out.strip()).status == 0, "the whole key names it as well"


def test_grants_come_and_go(run: Run, book: Rollbook) -> None:
    assert run("keys", "grant", DATASET, "--user", "ann").status == 0
    assert run("keys", "grant", OTHER, "--user", "ann", "--write").status == 0
    who = book.known_by(run("keys", "create", "--user", "ann").out.strip())
    assert who is not None
    assert (set(who.reads), set(who.writes)) == ({DATASET, OTHER}, {OTHER})
    assert [(each["dataset_id"], each["access"]) for each in run("--json", "keys", "grants").answer] == [
        (OTHER, "write"), (DATASET, "read"),
    ]  # fmt: skip
    assert run("keys", "ungrant", OTHER, "--user", "ann").status == 0
    assert run("keys", "ungrant", OTHER, "--user", "ann").status == 1
    assert run("keys", "grant", DATASET).line == "say which user, with --user"


def test_users_stand_one_level_deep(run: Run, book: Rollbook) -> None:
    assert run("keys", "child", "above", "--user", "ann").status == 0
    who = book.known_by(run("keys", "create", "--user", "above").out.strip())
    assert who is not None
    assert len(who.children) == 1
    assert run("keys", "child", "ann", "--user", "below").status == 2
    assert run("keys", "child", "over", "--user", "above").status == 2
    assert run("keys", "child", "ann", "--user", "ann").status == 2
    assert run("keys", "child", "--user", "ann").status == 0
    assert book.families() == []


def test_keys_alone_says_what_there_is(run: Run) -> None:
    ran = run("keys")
    assert ran.status == 0
    for name in ("create", "list", "revoke", "grant", "ungrant", "grants", "child"):
        assert f"  {name} " in ran.out


def test_an_empty_list_says_what_to_do(run: Run) -> None:
    assert "rollbook keys create" in run("keys", "list").line
    assert run("--json", "keys", "list").answer == []
