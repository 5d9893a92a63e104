"""Every block of code in the documentation does what it says, and so does the runner that finds out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from doc_blocks import BlockFailed, Sandbox, blocks_of, commands_of, matches
from postgres_servers import postgres_server, postgres_servers, postgres_url
from server.tools import TOKEN, served

__all__ = ["postgres_server", "postgres_servers", "postgres_url"]

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("README.md"), *ROOT.glob("docs/**/*.md")])

#: Blocks that are left alone, by page. Each has its reason beside it in the page.
NOT_RUN = {
    "README.md": 1,
    "docs/how-to/agent-frameworks.md": 3,
    "docs/how-to/dashboard.md": 1,
    "docs/how-to/develop.md": 1,
    "docs/how-to/hooks.md": 1,
    "docs/how-to/import.md": 2,
    "docs/how-to/watch-changes.md": 1,
    "docs/how-to/crashes.md": 1,
    "docs/how-to/push.md": 1,
    "docs/how-to/serve.md": 1,
    "docs/how-to/move-in.md": 1,
    "docs/how-to/move-to-postgresql.md": 1,
    "docs/how-to/back-up.md": 1,
    "docs/explanation/journal.md": 1,
}


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    sandbox = Sandbox(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    return sandbox


@pytest.mark.parametrize("page", PAGES)
def test_page(page: str, sandbox: Sandbox, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "TEAM_DB" in (ROOT / page).read_text(encoding="utf-8"):
        sandbox.environment["TEAM_DB"] = request.getfixturevalue("postgres_url")
        monkeypatch.setenv("TEAM_DB", sandbox.environment["TEAM_DB"])
    if "$SERVER" not in (ROOT / page).read_text(encoding="utf-8"):
        sandbox.run(ROOT / page, page)
        return
    with served(sandbox.environment["ROLLBOOK_DB"]) as server:
        sandbox.environment.update(SERVER=server.base, KEY=TOKEN)
        sandbox.run(ROOT / page, page)


def test_blocks_left_alone_are_counted() -> None:
    counts = {
        page: sum(block.not_run for block in blocks_of((ROOT / page).read_text(encoding="utf-8"))) for page in PAGES
    }
    assert {page: count for page, count in counts.items() if count} == NOT_RUN


def page_of(folder: Path, *blocks: str) -> Path:
    page = folder / "page.md"
    page.write_text("\n\n".join(("# A page", *blocks)) + "\n", encoding="utf-8")
    return page


PYTHON = "```python\n{}\n```"
CONSOLE = "```console\n{}\n```"


@pytest.mark.parametrize(
    "block",
    [
        PYTHON.format("assert 1 == 2"),
        PYTHON.format("import sys\nsys.exit(0)"),
        PYTHON.format("print('three')") + "\n\n<!-- output -->\n```text\nfour\n```",
        CONSOLE.format("$ false"),
        CONSOLE.format("$ exit 3  # exit 2"),
        CONSOLE.format("$ echo one\ntwo"),
        CONSOLE.format("$ echo one\none\nand more"),
        CONSOLE.format("$ printf 'one\\ntwo\\n'\none"),
        CONSOLE.format("$ true\nsomething"),
        CONSOLE.format("something without a command"),
        "```console\n```",
        "```sh\nfalse\ntrue\n```",
        "```pyhton\nassert 1 == 1\n```",
        "```python\nassert 1 == 1",
        "1. in a list\n\n   ```python\n   assert 1 == 2\n   ```",
    ],
)
def test_a_wrong_block_fails(block: str, sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(BlockFailed):
        sandbox.run(page_of(tmp_path, block), "page.md")


@pytest.mark.parametrize(
    "block",
    [
        PYTHON.format("print('three')") + "\n\n<!-- output -->\n```text\nthree\n```",
        CONSOLE.format("$ exit 3  # exit 3"),
        CONSOLE.format("$ echo one\none\n$ echo two >&2\ntwo"),
        CONSOLE.format("$ printf 'one\\ntwo\\nthree\\n'\none\n..."),
        CONSOLE.format("$ printf 'one 17s ago  \\ntwo\\n'\none ... ago\ntwo"),
        CONSOLE.format("$ echo one \\\n>   two\none two"),
        CONSOLE.format("$ echo not looked at"),
        '```sh\ncd /\ntest "$PWD" = /\n```',
        "1. in a list\n\n   ```python\n   assert 1 == 1\n   ```",
        "~~~python\nassert 1 == 1\n~~~",
    ],
)
def test_a_right_block_passes(block: str, sandbox: Sandbox, tmp_path: Path) -> None:
    assert sandbox.run(page_of(tmp_path, block), "page.md") == 1


def test_blocks_share_one_namespace_and_one_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    first = PYTHON.format("import pathlib\nvalue = 'kept'\npathlib.Path('note').write_text(value)")
    second = CONSOLE.format("$ cat note\nkept\n$ echo -n more > note")
    third = PYTHON.format("assert (value, pathlib.Path('note').read_text()) == ('kept', 'more')")
    assert sandbox.run(page_of(tmp_path, first, second, third), "page.md") == 3


def test_home_and_book_are_in_the_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    shell = CONSOLE.format(f"$ echo $HOME $ROLLBOOK_DB\n{tmp_path} sqlite:///{tmp_path}/rollbook.db")
    python = PYTHON.format(f"import os, pathlib\nassert str(pathlib.Path.home()) == os.getcwd() == {str(tmp_path)!r}")
    assert sandbox.run(page_of(tmp_path, shell, python), "page.md") == 2
    assert os.environ["ROLLBOOK_DB"] == f"sqlite:///{tmp_path}/rollbook.db"


def test_a_marked_block_is_left_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    marked = "<!-- not run: it never ends -->\n" + PYTHON.format("assert 1 == 2")
    page = page_of(tmp_path, marked)
    assert [block.not_run for block in blocks_of(page.read_text(encoding="utf-8"))] == [True]
    assert sandbox.run(page, "page.md") == 0


def test_a_mark_without_a_reason_does_not_count(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(BlockFailed):
        sandbox.run(page_of(tmp_path, "<!-- not run:  -->\n" + PYTHON.format("assert 1 == 2")), "page.md")


def test_failures_name_the_line(sandbox: Sandbox, tmp_path: Path) -> None:
    page = page_of(tmp_path, "text", PYTHON.format("assert 1 == 2"))
    with pytest.raises(BlockFailed, match=r"^page\.md:6: AssertionError") as caught:
        sandbox.run(page, "page.md")
    assert isinstance(caught.value.__cause__, AssertionError)
    traceback = caught.value.__cause__.__traceback__
    lines = []
    while traceback:
        lines.append((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    assert lines[-1] == ("page.md", 6)


def test_commands_know_their_lines() -> None:
    (block,) = blocks_of("```console\n$ one\nprinted\n$ two\n```\n")
    assert [(command.line, command.text, command.expected) for command in commands_of(block)] == [
        (2, "one", ["printed"]),
        (4, "two", []),
    ]


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        (["a", "...", "z"], "a\nz\n", True),
        (["a", "...", "z"], "a\nb\nc\nz\n", True),
        (["a", "...", "z"], "a\nb\n", False),
        (["a.c"], "abc\n", False),
        (["a ... c"], "a\nc\n", False),
        (["...c"], "abc", True),
    ],
)
def test_wildcards(expected: list[str], printed: str, *, same: bool) -> None:
    assert matches(expected, printed) is same
