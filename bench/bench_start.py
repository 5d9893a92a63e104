"""How long a command takes from its start to its end, beside a Python that does nothing.

    python bench/bench_start.py [--small] [--starts N]

Every start is a new process, as an agent or a shell makes one, and is waited for. The status line is asked for as
Claude Code asks for it (JSON on standard input), of a session with two children in a book of N calls in a day, whose
transcript the book has read; its answer is held against the book's. A hook leaves its event in a spool, from which
nobody takes any, so that the last ones find some hundreds there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import harness
import rollbook
from harness import Measured, Variant
from rollbook.hooks.spool import waiting
from rollbook.importers import source
from rollbook.importers.runs import run_import

_ROLLBOOK: Final = ["-m", "rollbook"]
_LINE: Final = [*_ROLLBOOK, "statusline", "claude-code", "--no-refresh"]
_HOOK: Final = [*_ROLLBOOK, "hook", "claude-code"]
_SESSION: Final = "session-1"
_BATCH: Final = 1_000
_WARM: Final = 3  #: starts that do not count: they read the files from the disk


def main(argv: list[str]) -> int:
    parser = harness.options(__doc__)
    parser.add_argument("--starts", type=int, default=None, help="of each command in a round")
    given = parser.parse_args(argv)
    starts = given.starts or (20 if given.small else 100)
    calls = 5_000 if given.small else 100_000
    with harness.workplace(given.folder) as folder:
        told = harness.apart(_built, str(folder), calls)
        common = (str(folder), starts, json.dumps(told))
        commands: list[tuple[str, list[str]]] = [
            ("rollbook statusline", _LINE),
            ("rollbook hook", _HOOK),
            ("rollbook --version", [*_ROLLBOOK, "--version"]),
            ("rollbook sessions", [*_ROLLBOOK, "sessions", "--limit", "5"]),
        ]
        nothing = Variant(name="python -c pass", run=_started, arguments=(*common, ["-c", "pass"]))
        variants = [
            Variant(name=name, run=_started, arguments=(*common, words), baseline=nothing.name)
            for name, words in commands
        ]
        done = harness.alternate([nothing, *variants], given.rounds or harness.ROUNDS)
    harness.report("start", done, {"starts": starts, "calls": calls})
    return 0


def _built(folder: str, calls: int) -> dict[str, Any]:
    """A book, and what Claude Code would tell of one session in it."""
    now = datetime.now(UTC)
    transcript = Path(folder) / "transcript.jsonl"
    transcript.write_text("{}\n")
    with rollbook.open(Path(folder) / "book.db") as book:
        for child in ("a", "b"):
            book.touch(f"{_SESSION}/{child}", parent=_SESSION)
        for first in range(0, calls, _BATCH):
            book.record_many(
                {
                    "session_id": _SESSION if number < 100 else f"session-{number % (calls // 20)}",
                    "usage_id": f"call-{number}",
                    "tokens_in": 1_000,
                    "tokens_out": 100,
                    "model": "claude-sonnet-4-5",
                    "occurred_at": now - timedelta(seconds=number % 86_400),
                }
                for number in range(first, min(calls, first + _BATCH))
            )
        run_import(book, source("claude-code"), [transcript])
        cost = book.inclusive(_SESSION).cost_usd
    return {
        "hook_event_name": "UserPromptSubmit",
        "session_id": _SESSION,
        "transcript_path": str(transcript),
        "model": {"id": "claude-sonnet-4-5", "display_name": "Sonnet 4.5"},
        "cost": {"total_cost_usd": cost, "total_duration_ms": 45_000},
    }


def _started(folder: str, starts: int, told: str, words: list[str]) -> Measured:
    spool = f"{folder}/spool"
    env = {**os.environ, "ROLLBOOK_DB": f"sqlite:///{folder}/book.db", "ROLLBOOK_SPOOL": spool}
    env["ROLLBOOK_HOOK_DELIVERY"] = "off"
    before_all = len(waiting(spool))
    seconds = []
    out = ""
    for number in range(_WARM + starts):
        before = time.perf_counter()
        out = subprocess.run(
            [sys.executable, *words], input=told, capture_output=True, text=True, check=True, env=env
        ).stdout
        if number >= _WARM:
            seconds.append(time.perf_counter() - before)
    if words == _LINE:
        cost = json.loads(told)["cost"]["total_cost_usd"]
        assert out.startswith(f"${cost:.2f} session | $"), out
        assert out.endswith("| Sonnet 4.5\n"), out
    if words == _HOOK:
        assert len(waiting(spool)) == before_all + _WARM + starts
    p50, p99 = harness.latencies(seconds)
    return Measured(rate=starts / sum(seconds), p50_ms=p50, p99_ms=p99)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
