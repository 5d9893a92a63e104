"""Every double-counting trap: hand-made files come to hand-computed totals, however and whenever they are imported.

A trap is a folder ``tests/data/traps/<source>/<trap>``: transcripts, and ``expected.json`` with the totals and the
reason. ``docs/reference/traps.md`` has the format, for other tools that want to run them, and a list of all traps; run
as a program, this module writes that list.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import pytest

import rollbook
from rollbook.importers import SOURCES, source
from rollbook.importers.base import QUIET_US, ImportReport
from rollbook.importers.runs import run_import
from rollbook.model import to_micros

ROOT = Path(__file__).parents[1] / "data" / "traps"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "traps.md"
LIST = ("<!-- traps -->", "<!-- end of traps -->")
NOW = 1_780_000_000_000_000  #: in May 2026, long after every line
ORDERS = 8
GROWN = 2  #: of the ways in which files grow beside one another, so many are tried
NO_TRANSCRIPTS = ("expected.json", "README.md")  #: what a trap's folder holds beside an agent's own files
#: Files of agents that say something of the transcripts beside them: they are there before the transcripts are.
COMPANIONS = (".project_root", "projects.json")
SQL = ".sql"  #: the statements that make the database of the name before it


class Trap(NamedTuple):
    """One trap, by its source and its name."""

    source: str
    name: str

    def __str__(self) -> str:
        return f"{self.source}/{self.name}"

    @property
    def folder(self) -> Path:
        return ROOT / self.source / self.name

    @property
    def expected(self) -> dict[str, Any]:
        return _expected(self.folder)


@cache
def _expected(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "expected.json").read_text())
    return found


TRAPS = [
    Trap(place.name, folder.name)
    for place in sorted(ROOT.iterdir())
    if place.is_dir()
    for folder in sorted(place.iterdir())
    if folder.is_dir()
]
every_trap = pytest.mark.parametrize("trap", TRAPS, ids=str)


# a trap's files, and how they come to lie where an agent would have put them


def files(folder: Path) -> list[Path]:
    """The transcripts below a folder in which a trap was laid out."""
    other = (*NO_TRANSCRIPTS, *COMPANIONS)
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in other)


def orders(paths: list[Path], most: int = ORDERS) -> Iterator[list[Path]]:
    """Every order of a few files; of many files some orders."""
    if math.factorial(len(paths)) <= most:
        yield from map(list, itertools.permutations(paths))
        return
    yield paths[::-1]
    for seed in range(most - 1):
        yield random.Random(seed).sample(paths, len(paths))


def lay_out(trap: Trap, folder: Path) -> Path:
    """Copy a trap's files to a folder, and make the databases that it describes."""
    shutil.copytree(trap.folder, folder, ignore=shutil.ignore_patterns(*NO_TRANSCRIPTS))
    for script in sorted(folder.rglob(f"*{SQL}")):
        for _ in made(script, script.with_suffix("")):
            pass
        script.unlink()
    return folder


def made(script: Path, database: Path) -> Iterator[None]:
    """Make a database, a transaction at a time; a pause after each, in which the writer keeps it open."""
    connection = apsw.Connection(str(database))
    connection.execute("pragma synchronous=off")  # there is no disk to wait for
    text = ""
    for line in script.read_text().splitlines(keepends=True):
        text += line
        if apsw.complete(text):
            connection.execute(text)
            text = ""
            if not connection.in_transaction:
                yield
    assert not text.strip(), f"{script}: the last statement has no end"
    connection.close()


def written(original: Path, path: Path, rng: random.Random, *, how: str) -> Iterator[None]:
    """Write one transcript bit by bit; a pause after each."""
    data = original.read_bytes()
    if how == "whole" or len(data) < 2:
        pieces = [data]
    elif how == "line by line":
        pieces = data.splitlines(keepends=True)
    else:
        cuts = [0, *sorted(rng.sample(range(1, len(data)), min(8, len(data) - 1))), len(data)]
        pieces = [data[start:end] for start, end in itertools.pairwise(cuts)]
    for piece in pieces:
        with path.open("ab") as file:
            file.write(piece)
        yield


def grown(trap: Trap, folder: Path, rng: random.Random, *, how: str) -> Iterator[None]:
    """Write a trap's files bit by bit, a bit of any of them at a time; a pause after each."""
    if trap.expected.get("files", "lines") == "whole":
        how = "whole"
    writers: list[Iterator[None]] = []
    for name in COMPANIONS:
        for original in trap.folder.rglob(name):
            path = folder / original.relative_to(trap.folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(original, path)
    for original in files(trap.folder):
        path = folder / original.relative_to(trap.folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        if original.suffix == SQL:
            writers.append(made(original, path.with_suffix("")))
        else:
            writers.append(written(original, path, rng, how=how))
    while writers:
        writer = rng.choice(writers)
        try:
            next(writer)
        except StopIteration:
            writers.remove(writer)
        else:
            yield


# what a book says


def take(book: rollbook.Rollbook, trap: Trap, paths: Iterable[Path], now: int = NOW) -> ImportReport:
    report = run_import(book, source(trap.source), list(paths), now=now)
    assert report.problems == []
    return report


def memory() -> rollbook.Rollbook:
    return rollbook.open("sqlite:///:memory:")


def everything(book: rollbook.Rollbook) -> dict[str, Any]:
    """All that a book says, apart from when it was told."""
    assert book.verify().ok
    return {
        "sessions": {session.session_id: rollbook.to_dict(session) for session in book.iterate()},
        "stats": rollbook.to_dict(book.stats(since="all")),
        "models": rollbook.to_dict(book.cost_by_model(since="all")),
        "days": rollbook.to_dict(book.spend(by="day", since="all", tz="UTC")),
    }


def same_moment(told: str, stored: Any) -> bool:
    return bool(told.replace("Z", "000+00:00") == rollbook.to_dict(stored))


def check_session(book: rollbook.Rollbook, session_id: str, wanted: dict[str, Any]) -> None:
    session = book.get(session_id)
    for field, value in wanted.items():
        if field == "inclusive":
            inclusive = book.inclusive(session_id)
            assert {name: getattr(inclusive, name) for name in value} == value
        elif field == "models":
            rows: dict[str, dict[str, int]] = {}
            for usage in book.usage(session_id):
                sums = rows.setdefault(str(usage.model), {"calls": 0, "tokens_in": 0, "tokens_out": 0})
                for name in sums:
                    sums[name] += getattr(usage, name)
            assert rows == value
        elif field == "kinds":
            assert {kind: sum(getattr(row, kind) for row in book.usage(session_id)) for kind in value} == value
        elif field == "parent":
            assert session.parent_id == value
            assert session_id in {child.session_id for child in book.children(value)}
        elif field.endswith("_at"):
            assert same_moment(value, getattr(session, field)), field
        else:
            assert getattr(session, field) == value, f"{session_id} {field}"


def check(book: rollbook.Rollbook, trap: Trap) -> None:
    wanted = trap.expected
    for session_id, fields in wanted["sessions"].items():
        check_session(book, session_id, fields)
    assert {session.session_id for session in book.iterate()} == set(wanted["sessions"])
    spent = book.spend(by="day", since="all", tz="UTC").total
    assert {field: getattr(spent, field) for field in wanted["total"]} == wanted["total"]
    assert spent.late_calls == 0


# the laws


class Once(NamedTuple):
    """A trap that was laid out, and what a book says that imported it in one go. Tests share it, and leave it so."""

    folder: Path
    says: dict[str, Any]
    last_us: int  #: when something happened last


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Trap], Once]:
    within = tmp_path_factory.mktemp("once")

    @cache
    def once(trap: Trap) -> Once:
        folder = lay_out(trap, within / trap.source / trap.name)
        with memory() as book:
            take(book, trap, [folder])
            last = max(to_micros(session.last_activity_at) for session in book.iterate())
            return Once(folder, everything(book), last)

    return once


@every_trap
def test_r15_a_trap_comes_to_its_totals(trap: Trap, tmp_path: Path) -> None:
    folder = lay_out(trap, tmp_path / "home")
    assert trap.expected["why"]
    with memory() as book:
        report = take(book, trap, [folder])
        check(book, trap)
        assert report.skipped_lines == trap.expected["skipped_lines"]
        assert report.files == len(files(folder))
        assert report.new_calls == trap.expected["total"]["calls"]


@every_trap
def test_r3_again_and_from_a_copy_nothing_changes(trap: Trap, imported: Callable[[Trap], Once], tmp_path: Path) -> None:
    once = imported(trap)
    with memory() as book:
        take(book, trap, [once.folder])
        again = take(book, trap, [once.folder])
        assert (again.bytes, again.calls, again.new_calls) == (0, 0, 0)
        assert everything(book) == once.says
        copied = take(book, trap, [shutil.copytree(once.folder, tmp_path / "copy")])
        assert copied.bytes > 0
        assert copied.new_calls == 0
        assert everything(book) == once.says


@every_trap
def test_r3_the_order_of_files_does_not_matter(trap: Trap, imported: Callable[[Trap], Once]) -> None:
    once = imported(trap)
    for order in orders(files(once.folder)):
        with memory() as book:
            for path in order:
                take(book, trap, [path])
            check(book, trap)
            assert everything(book) == once.says


def ways(trap: Trap) -> list[str]:
    """The ways in which a trap's files may grow. Databases and files that are written whole have one of their own."""
    own = trap.expected.get("files") == "whole" or all(path.suffix == SQL for path in files(trap.folder))
    return ["whole"] if own else ["line by line", "cut anywhere"]


@pytest.mark.parametrize(
    ("trap", "how"), [pytest.param(trap, how, id=f"{trap}-{how}") for trap in TRAPS for how in ways(trap)]
)
def test_r3_importing_every_day_comes_to_the_same_as_importing_once(
    trap: Trap, how: str, imported: Callable[[Trap], Once], tmp_path: Path
) -> None:
    once = imported(trap)
    one_way = len(files(trap.folder)) == 1 and how != "cut anywhere"  # nobody is chosen to be next, and no cut
    for seed in range(1 if one_way else GROWN):
        folder = tmp_path / str(seed)
        skipped = 0
        with memory() as book:
            for _ in grown(trap, folder, random.Random(seed), how=how):
                skipped += take(book, trap, [folder]).skipped_lines
            check(book, trap)
            assert everything(book) == once.says
        assert skipped == trap.expected["skipped_lines"]


@every_trap
def test_r2_an_end_waits_for_silence_and_is_told_without_the_file_being_read_again(
    trap: Trap, imported: Callable[[Trap], Once]
) -> None:
    once = imported(trap)
    early = once.last_us + 1_000_000
    with memory() as book:
        take(book, trap, [once.folder], now=early)
        for session in book.iterate():
            silent = early - to_micros(session.last_activity_at) > QUIET_US
            assert silent or session.status == "running", session.session_id
        late = take(book, trap, [once.folder])
        assert (late.bytes, late.calls) == (0, 0)
        assert everything(book) == once.says


def listed() -> str:
    """The page's list of all traps."""
    text = ""
    for name, traps in itertools.groupby(TRAPS, lambda trap: trap.source):
        text += f"\n### {name}\n\n| trap | why |\n|---|---|\n"
        text += "".join(f"| `{trap.name}` | {trap.expected['why'].replace('|', '&#124;')} |\n" for trap in traps)
    return text + "\n"


def parts_of(page: str) -> tuple[str, str, str]:
    """What stands before the list, the list, and what stands after it."""
    before, _, rest = page.partition(LIST[0])
    told, _, after = rest.partition(LIST[1])
    return before, told, after


def test_the_page_lists_every_trap_with_its_reason() -> None:
    told = parts_of(PAGE.read_text(encoding="utf-8"))[1]
    assert told == "\n" + listed(), f"run: python tests/importers/{Path(__file__).name}"


def test_every_source_has_traps() -> None:
    assert {trap.source for trap in TRAPS} == set(SOURCES)


def test_a_described_database_is_made_a_transaction_at_a_time(tmp_path: Path) -> None:
    script = tmp_path / "agent.db.sql"
    script.write_text("begin;\ncreate table t (a,\n b);\ncommit;\ninsert into t values (1, ';');\n")
    seen: list[int] = []
    for _ in made(script, tmp_path / "agent.db"):
        reader = apsw.Connection(str(tmp_path / "agent.db"), flags=apsw.SQLITE_OPEN_READONLY)
        seen.extend(count for (count,) in reader.execute("select count(*) from t"))
        reader.close()
    assert seen == [0, 1]


if __name__ == "__main__":
    before, _, after = parts_of(PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(f"{before}{LIST[0]}\n{listed()}{LIST[1]}{after}", encoding="utf-8")
