"""A spool of a test's own, and hooks that are run as an agent runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.book import Rollbook

Hook = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The spool, which is not there yet; hooks leave delivery to the test."""
    made = str(tmp_path / "data" / "spool")
    monkeypatch.setenv("ROLLBOOK_SPOOL", made)
    monkeypatch.setenv("ROLLBOOK_HOOK_DELIVERY", "off")
    monkeypatch.setenv("ROLLBOOK_DB", f"sqlite:///{tmp_path / 'book.db'}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    return made


@pytest.fixture
def book(place: str) -> Iterator[Rollbook]:
    with rollbook.open() as opened:
        yield opened


@pytest.fixture
def hook(place: str) -> Hook:
    """Run a hook as a program."""

    def runs(event: Any, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rollbook", "hook", *(words or ("claude-code",))],
            input=event if isinstance(event, str) else json.dumps(event),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, **environment},
        )

    return runs
