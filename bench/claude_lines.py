"""Made-up Claude Code transcripts of a given size, the same for the same numbers.

    python bench/claude_lines.py FOLDER --megabytes 200 --sessions 1600 --calls 50000

writes ``FOLDER/projects/…/*.jsonl`` (FOLDER then serves as ``CLAUDE_CONFIG_DIR``) and prints what the lines come to.
Each call is a tool's answer of a size that fills the bytes, and two lines of the agent's (words, then a call of a tool)
that repeat the call's usage, as the agent writes it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

MODELS = ("claude-sonnet-4-5-20250929", "claude-opus-4-5-20251101", "claude-haiku-4-5-20251001")
WORDS = [
    "read the failing test then look at the parser and change only what the error names",
    "\\",
    '"it"',
    "é",
    "\n\t",
]
LINE_OVERHEAD_BYTES = 2_500  #: of one call's three lines, without the tool's answer
START = datetime(2026, 1, 5, 8, tzinfo=UTC)


def main(argv: list[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--megabytes", type=float, default=200)
    options.add_argument("--sessions", type=int, default=1600)
    options.add_argument("--calls", type=int, default=50_000)
    given = options.parse_args(argv)
    print(json.dumps(write(given.folder, int(given.megabytes * 1e6), given.sessions, given.calls)))
    return 0


def write(folder: Path, size: int, sessions: int, calls: int) -> dict[str, int]:
    """Write the transcripts; what they come to: files, bytes, calls, tokens in and out."""
    sums = {"files": sessions, "bytes": 0, "calls": 0, "tokens_in": 0, "tokens_out": 0}
    filler = max(0, size // max(1, calls) - LINE_OVERHEAD_BYTES)
    for number in range(sessions):
        chance = random.Random(number)
        session_id = f"{number:08x}-0000-4000-8000-{number:012x}"
        own = calls // sessions + (number < calls % sessions)
        project = folder / "projects" / f"-home-dev-project-{number % 20}"
        project.mkdir(parents=True, exist_ok=True)
        with (project / f"{session_id}.jsonl").open("w", encoding="utf-8") as file:
            for line in _session(chance, session_id, number, own, filler):
                usage = line.pop("_count", None)
                if usage is not None:
                    sums["calls"] += 1
                    sums["tokens_out"] += usage["output_tokens"]
                    sums["tokens_in"] += sum(usage[name] for name in _READ)
                text = json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n"
                sums["bytes"] += len(text.encode())
                file.write(text)
    return sums


_READ = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


def _session(chance: random.Random, session_id: str, number: int, calls: int, filler: int) -> Iterator[dict[str, Any]]:
    at = START + timedelta(minutes=7 * number)
    model = MODELS[number % len(MODELS)]
    common: dict[str, Any] = {
        "isSidechain": False,
        "userType": "external",
        "cwd": f"/home/dev/project-{number % 20}",
        "sessionId": session_id,
        "version": "2.0.14",
        "gitBranch": "main",
    }
    before = None
    for call in range(calls):
        at += timedelta(seconds=chance.randint(2, 40))
        content: Any = f"please fix case {call}"
        if call:
            answer = _text(chance, filler)
            content = [{"tool_use_id": f"toolu_{number}_{call}", "type": "tool_result", "content": answer}]
        user = f"{number:08x}-{call:04x}-4000-8000-00000000000a"
        yield {
            "parentUuid": before,
            **common,
            "type": "user",
            "message": {"role": "user", "content": content},
            "uuid": user,
            "timestamp": _iso(at),
        }
        usage = _usage(chance)
        message: dict[str, Any] = {
            "model": model,
            "id": f"msg_01{number:08x}{call:08x}",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": _text(chance, 200)}],
            "stop_reason": "tool_use",
            "stop_sequence": None,
            "usage": usage,
        }
        before = f"{number:08x}-{call:04x}-4000-8000-00000000000b"
        line = {
            "parentUuid": user,
            **common,
            "message": message,
            "requestId": f"req_011{number:08x}{call:08x}",
            "type": "assistant",
            "uuid": before,
            "timestamp": _iso(at + timedelta(milliseconds=1500)),
        }
        yield {**line, "_count": usage}
        if call == calls - 1:
            message["stop_reason"] = "end_turn"
        else:
            tool = {
                "type": "tool_use",
                "id": f"toolu_{number}_{call + 1}",
                "name": "Read",
                "input": {"file_path": "/a"},
            }
            message["content"] = [tool]
        yield line


def _usage(chance: random.Random) -> dict[str, Any]:
    written = chance.randint(0, 4_000)
    return {
        "input_tokens": chance.randint(1, 20),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": chance.randint(5_000, 120_000),
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": chance.randint(1, 900),
        "service_tier": "standard",
    }


def _text(chance: random.Random, size: int) -> str:
    start = chance.randrange(len(WORDS))
    return (" ".join(WORDS[start:] + WORDS[:start]) + " ") * (size // 90 + 1)


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
