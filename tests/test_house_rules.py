"""What no linter here checks: sizes, where SQL lives, what must not be written down, and what the package holds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import rollbook

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "rollbook"

FILE_LINES = 400
FUNCTION_LINES = 60

#: Files of the source that may be longer, each with the decision record that says why and names the file.
LONGER: dict[str, str] = {}

# Spelt in pieces, so that this file does not hold what it looks for.
HOSTS = tuple(
    ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("debian", "org"))
)
PLACES = tuple(f"/{name}/" for name in ("root", "work"))
LEFT_OVER = tuple("".join(parts) for parts in (("TO", "DO"), ("FIX", "ME"), ("X", "XX")))
STATEMENTS = tuple(" ".join((*words, "")) for words in (("SELECT",), ("INSERT", "INTO"), ("DELETE", "FROM")))


@cache
def texts() -> dict[str, str]:
    """Every text file that is, or is about to be, under version control."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        encoding="utf-8",
    ).stdout.split("\0")
    found = {}
    for name in filter(None, listed):
        path = ROOT / name
        if path.is_file() and b"\0" not in (data := path.read_bytes()):
            found[name] = data.decode("utf-8", errors="replace")
    return found


def lines_with(pattern: str, files: dict[str, str]) -> list[str]:
    looked_for = re.compile(pattern)
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in files.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if looked_for.search(line)
    ]


def python_files() -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in SOURCE.rglob("*.py"))


def too_long(name: str, text: str) -> Iterator[str]:
    length = text.count("\n")
    if length > FILE_LINES:
        yield f"{name}: {length} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines"


def test_files_and_functions_are_short() -> None:
    found = {name: list(too_long(name, (ROOT / name).read_text(encoding="utf-8"))) for name in python_files()}
    assert {name: lines for name, lines in found.items() if lines and name not in LONGER} == {}
    assert [name for name in LONGER if not found[name]] == [], "no longer long"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("x = 1\n" * FILE_LINES, 0),
        ("x = 1\n" * (FILE_LINES + 1), 1),
        ("def f():\n" + "    x = 1\n" * (FUNCTION_LINES - 1), 0),
        ("async def f():\n" + "    x = 1\n" * FUNCTION_LINES, 1),
    ],
)
def test_too_long_is_seen(text: str, count: int) -> None:
    assert len(list(too_long("name", text))) == count


def test_every_longer_file_has_its_decision() -> None:
    silent = [name for name, record in LONGER.items() if name not in (ROOT / record).read_text(encoding="utf-8")]
    assert not silent


def test_no_registry_is_named() -> None:
    assert not lines_with("|".join(map(re.escape, HOSTS)), texts())


def test_no_place_of_one_machine_is_named() -> None:
    # A path inside the project (src/…) or under a home (~/…, $HOME/…) is everybody's.
    assert not lines_with(rf"(?<![\w.~*}}{{)-])(?:{'|'.join(map(re.escape, PLACES))})", texts())


def test_nothing_is_left_for_later() -> None:
    assert not lines_with(rf"\b(?:{'|'.join(LEFT_OVER)})\b", texts())


def test_sql_lives_in_sql_files() -> None:
    room = "src/rollbook/store/"
    files = {name: texts()[name] for name in python_files() if name in texts() and not name.startswith(room)}
    assert files
    assert not lines_with("|".join(STATEMENTS), files)


def test_rules_about_text_see_what_they_look_for() -> None:
    files = {
        "a": f"see https://{HOSTS[0]}/x",
        "b": f"cd {PLACES[0]}x",
        "c": f"# {LEFT_OVER[0]}: later",
        "d": f"q = '{STATEMENTS[0]}1'",
    }
    for pattern, name in zip((HOSTS, PLACES, LEFT_OVER, STATEMENTS), files, strict=True):
        assert [line.split(":")[0] for line in lines_with("|".join(map(re.escape, pattern)), files)] == [name]


def test_texts_are_read() -> None:
    assert {"pyproject.toml", "tests/test_house_rules.py", "src/rollbook/model.py"} <= texts().keys()


@pytest.mark.parametrize("name", rollbook.__all__)
def test_public_names_are_documented(name: str) -> None:
    thing = getattr(rollbook, name)
    if isinstance(thing, type | ModuleType) or callable(thing):
        assert (thing.__doc__ or "").strip()
    pages = [text for path, text in texts().items() if path.startswith("docs/reference/")]
    assert any(re.search(rf"`[^`\n]*\b{re.escape(name)}\b[^`\n]*`", text) for text in pages), "not in docs/reference"


def test_public_methods_are_documented() -> None:
    methods = [name for name in dir(rollbook.Rollbook) if not name.startswith("_")]
    assert methods
    assert not [name for name in methods if not (getattr(rollbook.Rollbook, name).__doc__ or "").strip()]


def test_the_root_is_small() -> None:
    assert len(rollbook.__all__) <= 20


def test_the_changelog_has_a_place_for_what_is_new() -> None:
    assert re.search(r"^## Unreleased$", texts()["CHANGELOG.md"], re.MULTILINE)


def test_the_locks_agree_and_are_hashed() -> None:
    pinned = re.compile(r"^([a-z0-9._-]+==\S+)(?: ; [^\\\n]+)? \\\n    --hash=sha256:[0-9a-f]{64}", re.MULTILINE)
    locks = {name: texts()[name] for name in ("requirements.lock", "requirements-dev.lock")}
    run_time, developing = (set(pinned.findall(text)) for text in locks.values())
    assert {len(re.findall(r"^\S", text, re.MULTILINE)) for text in locks.values()} == {len(run_time), len(developing)}
    assert run_time < developing


def test_the_lock_of_the_integrations_has_the_same_versions_and_is_hashed() -> None:
    pinned = re.compile(r"^([a-z0-9._-]+)==(\S+)(?: ; [^\\\n]+)? \\\n    --hash=sha256:[0-9a-f]{64}", re.MULTILINE)
    frameworks, run_time = (texts()[name] for name in ("requirements-integrations.lock", "requirements.lock"))
    found = dict(pinned.findall(frameworks))
    assert len(found) == len(re.findall(r"^\S", frameworks, re.MULTILINE))
    assert {"claude-agent-sdk", "openai-agents", "pydantic-ai-slim"} <= found.keys()
    assert dict(pinned.findall(run_time)).items() <= found.items()


def test_the_wheel_holds_the_whole_package(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("rollbook-*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("rollbook/")}
    there = {path.relative_to(SOURCE.parent).as_posix() for path in SOURCE.rglob("*") if path.is_file()}
    assert held == {name for name in there if "__pycache__" not in name}
    assert {"rollbook/py.typed", "rollbook/model.py"} <= held
