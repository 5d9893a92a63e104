"""The examples run, and print what they are said to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
PRINTED = {
    "chat_with_openai_agents.py": [
        "I am Ada. - Nice to meet you, Ada.",
        "Who am I? - You are Ada.",
        "4 items, 2 turns, 2 calls, $0.0096",
    ],
    "chat_with_pydantic_ai.py": [
        "ada-too: 0 branches, 1 turns, 1 calls, $0.0048",
        "ada: 1 branches, 3 turns, 3 calls, $0.0144",
    ],
    "mirror_claude_agent.py": [
        "Fix the checkout.: 2 messages",
        "1 turns, 1 calls, 12003 tokens in, $0.0171",
    ],
}


def test_every_example_is_run() -> None:
    assert {path.name for path in FOLDER.glob("*.py")} == PRINTED.keys()


@pytest.mark.parametrize("name", PRINTED)
def test_an_example_prints_what_it_is_said_to(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", str(FOLDER / name)],
        check=True,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.stdout.splitlines() == PRINTED[name]
    assert not done.stderr
