"""Runs variants alternately, each in a new process, and prints medians, ratios, latencies and peak memory.

The machine that a benchmark runs on is rarely quiet, so only figures of one run are compared with one another: the
variants take turns, round after round, and a variant's figure is the median over its rounds. A variant is a function of
a module at the top level; it returns a :class:`Measured`. Whatever it returns as ``checks`` must be the same for all
variants that share a ``must_agree`` word, or the run fails.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import platform
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

RESULTS: Final = Path(__file__).with_name("results")
ROUNDS: Final = 3


class Measured(msgspec.Struct, kw_only=True):
    """What one run of one variant came to."""

    rate: float  #: operations a second
    p50_ms: float | None = None  #: of what one caller waits
    p99_ms: float | None = None
    checks: Any = None  #: plain values that other variants must agree with
    more: dict[str, Any] = msgspec.field(default_factory=dict)
    peak_mb: float = 0.0  #: filled in by the harness


class Variant(msgspec.Struct, kw_only=True):
    """A way of doing the work that is measured."""

    name: str
    run: Callable[..., Measured]
    arguments: tuple[Any, ...] = ()
    baseline: str | None = None  #: the variant to which its ratio is taken
    must_agree: str | None = None
    rounds: int | None = None  #: fewer, for what is slow and whose ratio is far from its mark


class Told(msgspec.Struct, kw_only=True):
    """A variant over all its rounds."""

    variant: Variant
    runs: list[Measured] = msgspec.field(default_factory=list)

    def median(self, field: str) -> float | None:
        values = [value for run in self.runs if (value := getattr(run, field)) is not None]
        return statistics.median(values) if values else None


def options(description: str | None) -> argparse.ArgumentParser:
    """The arguments that every benchmark takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="small sizes, for a quick look")
    parser.add_argument("--rounds", type=int, default=None, help=f"alternations (default {ROUNDS})")
    parser.add_argument("--folder", type=Path, help="where to keep files while it runs (default: a temporary folder)")
    return parser


@contextmanager
def workplace(given: Path | None) -> Iterator[Path]:
    """The folder for a benchmark's files: the one given, which is kept, or one that goes away."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="rollbook-bench-") as folder:
        yield Path(folder)


def apart(work: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns, run in a new process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_inside, args=(there, work, arguments))
    process.start()
    there.close()
    try:
        answer, trouble = here.recv()
    except EOFError:
        answer, trouble = None, "the process died"
    process.join()
    if trouble is not None:
        raise SystemExit(f"{work.__name__} failed:\n{trouble}")
    return answer


def _inside(there: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        answer = work(*arguments)
        if isinstance(answer, Measured):
            answer.peak_mb = answer.peak_mb or peak_mb()
    except BaseException:  # noqa: BLE001 - whatever it was, the parent prints it and ends
        there.send((None, traceback.format_exc()))
    else:
        there.send((answer, None))


def peak_mb() -> float:
    """This process's largest resident memory, in megabytes.

    Linux hands the parent's ``ru_maxrss`` on to a child, so where there is a ``/proc`` the kernel's own mark is read.
    """
    try:
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024 * 1024 if sys.platform == "darwin" else 1024)


def alternate(variants: Sequence[Variant], rounds: int) -> dict[str, Told]:
    """Run every variant once a round, and hold their checks against one another."""
    told = {variant.name: Told(variant=variant) for variant in variants}
    for number in range(rounds):
        for variant in variants:
            if number < (variant.rounds or rounds):
                told[variant.name].runs.append(apart(variant.run, *variant.arguments))
    _agree(told)
    return told


def _agree(told: dict[str, Told]) -> None:
    said: dict[str, tuple[str, Any]] = {}
    for name, item in told.items():
        for run in item.runs:
            word = item.variant.must_agree
            if word is None:
                continue
            other, checks = said.setdefault(word, (name, run.checks))
            if checks != run.checks:
                raise SystemExit(f"{name} and {other} do not agree:\n{run.checks}\n{checks}")


def ratio(told: dict[str, Told], name: str) -> float | None:
    """The median over rounds of a variant's rate over its baseline's in the same round."""
    item = told[name]
    if item.variant.baseline is None:
        return None
    base = told[item.variant.baseline].runs
    # A baseline with fewer rounds serves the later ones with its last.
    return statistics.median(run.rate / base[min(place, len(base) - 1)].rate for place, run in enumerate(item.runs))


def report(name: str, told: dict[str, Told], sizes: dict[str, Any], more: Sequence[str] = ()) -> None:
    """Print the table, and write it as JSON beside."""
    head = ("variant", "per second", "range", "ratio", "p50 ms", "p99 ms", "peak MB", *more)
    rows = [head]
    for key, item in told.items():
        rates = sorted(run.rate for run in item.runs)
        against = ratio(told, key)
        rows.append(
            (
                key,
                f"{item.median('rate'):,.0f}",
                f"{rates[0]:,.0f}-{rates[-1]:,.0f}",
                "" if against is None else f"{against:.2f} of {item.variant.baseline}",
                _shown(item.median("p50_ms")),
                _shown(item.median("p99_ms")),
                f"{item.median('peak_mb'):,.0f}",
                *(str(item.runs[-1].more.get(field, "")) for field in more),
            )
        )
    print(f"\n{name}: {', '.join(f'{key} {value:,}' for key, value in sizes.items())}")
    table(rows)
    keep(
        name,
        sizes,
        {
            key: {
                "rates": [run.rate for run in item.runs],
                "ratio": ratio(told, key),
                "baseline": item.variant.baseline,
                "p50_ms": item.median("p50_ms"),
                "p99_ms": item.median("p99_ms"),
                "peak_mb": item.median("peak_mb"),
                "more": item.runs[-1].more,
            }
            for key, item in told.items()
        },
    )


def keep(name: str, sizes: dict[str, Any], figures: Any) -> None:
    """Write figures with when and where they were taken."""
    RESULTS.mkdir(exist_ok=True)
    body = {"name": name, "at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), "sizes": sizes}
    (RESULTS / f"{name}.json").write_text(json.dumps({**body, "figures": figures}, indent=1) + "\n", "utf-8")


def machine() -> dict[str, Any]:
    return {
        "cores": multiprocessing.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "apsw": apsw.apsw_version(),
        "standard sqlite": sqlite3.sqlite_version,
    }


def table(rows: Sequence[Sequence[str]]) -> None:
    """A table for people: names to the left, figures to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *others]).rstrip())


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def latencies(seconds: Sequence[float]) -> tuple[float, float]:
    """The 50th and the 99th percentile, in milliseconds."""
    ordered = sorted(seconds)
    return ordered[len(ordered) // 2] * 1000, ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1000


def now() -> float:
    return time.perf_counter()


def settle() -> None:
    """Before the clock starts: what a benchmark holds ready is none of the business of the measured one's collector."""
    gc.collect()
    gc.freeze()
