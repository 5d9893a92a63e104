"""A server, a machine with transcripts, and a key."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import rollbook
from rollbook.book import Rollbook
from rollbook.importers import SAMPLES
from rollbook.remote import client

from .server import Pushing

KEY = "key-of-ada"


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Rollbook]:
    """The server's book, as the user of the key."""
    with rollbook.open(tmp_path / "there.db", user="ada@example.org") as book:
        yield book


@pytest.fixture
def server(there: Rollbook, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pushing]:
    monkeypatch.setattr(client, "_PAUSE_S", 0.001)
    monkeypatch.setenv("ROLLBOOK_TOKEN", KEY)
    made = Pushing({KEY: there})
    made.start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The transcripts of this machine, in their usual places."""
    home = Path.home()
    shutil.copytree(SAMPLES / "claude-code", home / ".claude" / "projects")
    monkeypatch.setenv("ROLLBOOK_DB", f"sqlite:///{tmp_path / 'here.db'}")
    return home


def told(book: Rollbook) -> list[dict[str, object]]:
    """What a book holds, whoever's it is."""
    mine = []
    for session in sorted(book.iterate(), key=lambda it: it.session_id):
        plain = rollbook.to_dict(session)
        mine.append({name: value for name, value in plain.items() if name not in ("user_id", "parent_user_id")})
    return mine
