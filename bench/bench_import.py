"""Importing Claude Code's transcripts, against the time in which ccusage reports on the same files.

    python bench/bench_import.py [--small] [--megabytes 200] [--sessions 1600] [--calls 50000] [--ccusage PROGRAM]

ccusage keeps nothing: it reads all files each time and prints sums. Rollbook reads them once, stores every call
durably, and prints; the second time it only looks for what is new. Each variant is a whole process, as a user would
start it, and the sums must agree to the token. ``--ccusage`` names the program that npm installs (``ccusage@20.0.24``
with ``@ccusage/ccusage-linux-x64@20.0.24`` beside it); without it, Rollbook is measured against reading alone: the same
bytes through a JSON decoder in one process.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

import msgspec

import claude_lines
import harness

_ROLLBOOK: Final = [sys.executable, "-m", "rollbook"]
_LOOK_S: Final = 0.02


def main(argv: list[str]) -> int:
    parser = harness.options(__doc__)
    parser.add_argument("--megabytes", type=float, default=None)
    parser.add_argument("--sessions", type=int, default=None)
    parser.add_argument("--calls", type=int, default=None)
    parser.add_argument("--ccusage", default=os.environ.get("CCUSAGE"), help="its command line")
    given = parser.parse_args(argv)
    size = given.megabytes or (10 if given.small else 200)
    sessions = given.sessions or (80 if given.small else 1600)
    calls = given.calls or (2_500 if given.small else 50_000)
    with harness.workplace(given.folder) as folder:
        made = claude_lines.write(folder / "claude", int(size * 1e6), sessions, calls)
        sums = {name: made[name] for name in ("tokens_in", "tokens_out")}
        named = "ccusage, a report" if given.ccusage else "decoding alone"
        peer = _ccusage if given.ccusage else _read
        variants = [
            harness.Variant(name=named, run=peer, arguments=(str(folder), sums, given.ccusage)),
            harness.Variant(name="import", run=_import, arguments=(str(folder),), baseline=named, must_agree=named),
            harness.Variant(
                name="again, and spend by day", run=_again, arguments=(str(folder),), baseline=named, must_agree=named
            ),
            harness.Variant(
                name="import with contents",
                run=_contents,
                arguments=(str(folder),),
                baseline="import",
                must_agree=named,
            ),
        ]
        told = harness.alternate(variants, given.rounds or harness.ROUNDS)
        harness.report("import", told, {"megabytes": size, "sessions": sessions, "calls": calls})
    return 0


def _run(command: list[str], folder: str) -> tuple[float, str, float]:
    """Seconds, what it printed, and the peak memory of all its processes together, in MB."""
    places = {"CLAUDE_CONFIG_DIR": f"{folder}/claude", "ROLLBOOK_DB": f"sqlite:///{folder}/book.db"}
    started = harness.now()
    with subprocess.Popen(command, env={**os.environ, **places}, stdout=subprocess.PIPE, text=True) as process:
        peaks: dict[int, float] = {}
        watch = threading.Thread(target=_watch, args=(process, peaks))
        watch.start()
        assert process.stdout is not None
        answer = process.stdout.read()
        process.wait()
        seconds = harness.now() - started
        watch.join()
    assert process.returncode == 0, command
    return seconds, answer, sum(peaks.values())


def _watch(process: subprocess.Popen[str], peaks: dict[int, float]) -> None:
    """Note the largest memory of a process and of those below it, as the kernel knows it, until it ends."""
    while process.poll() is None:
        pids = [process.pid]
        while pids:
            pid = pids.pop()
            with contextlib.suppress(OSError, ValueError):  # it may have ended
                for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
                    if line.startswith("VmHWM:"):
                        peaks[pid] = int(line.split()[1]) / 1024
                pids += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split())
        time.sleep(_LOOK_S)


def _measured(folder: str, seconds: float, peak: float, sums: dict[str, int]) -> harness.Measured:
    """The rate is in megabytes a second, of the files that there are."""
    megabytes = sum(path.stat().st_size for path in Path(folder, "claude").rglob("*.jsonl")) / 1e6
    return harness.Measured(rate=megabytes / seconds, checks=sums, peak_mb=peak, more={"seconds": seconds})


def _ccusage(folder: str, sums: dict[str, int], program: str) -> harness.Measured:
    seconds, answer, peak = _run([*shlex.split(program), "daily", "--offline", "--json"], folder)
    totals = json.loads(answer)["totals"]
    read = totals["inputTokens"] + totals["cacheCreationTokens"] + totals["cacheReadTokens"]
    assert {"tokens_in": read, "tokens_out": totals["outputTokens"]} == sums
    return _measured(folder, seconds, peak, sums)


def _read(folder: str, sums: dict[str, int], _: object) -> harness.Measured:
    started = harness.now()
    decoder = msgspec.json.Decoder()
    lines = sum(len(decoder.decode_lines(path.read_bytes())) for path in Path(folder, "claude").rglob("*.jsonl"))
    assert lines
    return _measured(folder, harness.now() - started, harness.peak_mb(), sums)


def _contents(folder: str) -> harness.Measured:
    return _import(folder, "--content")


def _import(folder: str, *more: str) -> harness.Measured:
    for end in ("", "-wal", "-shm"):
        Path(f"{folder}/book.db{end}").unlink(missing_ok=True)
    seconds, _, peak = _run([*_ROLLBOOK, "import", "claude-code", *more], folder)
    return _measured(folder, seconds, peak, _spent(folder)[2])


def _again(folder: str) -> harness.Measured:
    seconds, _, peak = _run([*_ROLLBOOK, "import", "claude-code"], folder)
    more, other, sums = _spent(folder)
    return _measured(folder, seconds + more, max(peak, other), sums)


def _spent(folder: str) -> tuple[float, float, dict[str, int]]:
    seconds, answer, peak = _run([*_ROLLBOOK, "spend", "--by", "day", "--since", "all", "--json"], folder)
    total = json.loads(answer)["total"]
    return seconds, peak, {name: total[name] for name in ("tokens_in", "tokens_out")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
