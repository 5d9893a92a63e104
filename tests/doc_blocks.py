"""Runs the code blocks of a Markdown file as a reader would: from top to bottom, in one folder.

- ``python`` blocks share one namespace. A ``text`` block right after ``<!-- output -->`` is what the last one printed.
- ``console`` blocks hold commands after ``$ ``, each in a shell of its own, then what it prints. A command must succeed
  unless it ends in ``# exit N``. In what is printed, ``...`` stands for anything, alone on its line for any lines.
- ``sh`` blocks are scripts that must succeed.
- ``<!-- not run: reason -->`` on the line before leaves a block alone.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

SCRIPTS: Final = frozenset({"sh", "bash", "shell"})
RUN: Final = SCRIPTS | {"python", "console"}
SHOWN: Final = frozenset({"", "text", "json", "jsonl", "toml", "sql", "yaml", "ini", "markdown", "mermaid"})
COMMAND_SECONDS: Final = 120

_FENCE: Final = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}) *(?P<language>[\w+-]*)")
_NOT_RUN: Final = re.compile(r"^ *<!-- not run: .*\S.* -->$")
_OUTPUT: Final = re.compile(r"^ *<!-- output -->$")
_EXIT: Final = re.compile(r"# exit (\d+)$")


class BlockFailed(AssertionError):
    """A block of the documentation does not do what it says."""


class Block(NamedTuple):
    """A fenced block: where its first line of text is, what it is written in, and what stands before it."""

    line: int
    language: str
    text: str
    not_run: bool
    is_output: bool


class Command(NamedTuple):
    """One command of a console block and the lines it is said to print."""

    line: int
    text: str
    expected: list[str]


def blocks_of(markdown: str) -> list[Block]:
    """All fenced blocks; a language that is neither run nor known to be shown only is an error."""
    found: list[Block] = []
    lines = iter(enumerate(markdown.splitlines(), start=1))
    before = ""
    for number, line in lines:
        if fence := _FENCE.match(line):
            indent = len(fence["indent"])
            body: list[str] = []
            for _, inner in lines:
                if inner.strip() == fence["fence"]:
                    break
                body.append(inner[indent:] if inner[:indent].isspace() else inner)
            else:
                raise BlockFailed(f"line {number}: a block that never ends")
            if fence["language"] not in RUN | SHOWN:
                raise BlockFailed(f"line {number}: no one knows how to run {fence['language']!r}")
            marks = bool(_NOT_RUN.match(before)), bool(_OUTPUT.match(before))
            found.append(Block(number + 1, fence["language"], "\n".join(body) + "\n", *marks))
        before = line
    return found


def commands_of(block: Block) -> list[Command]:
    """The commands of a console block; one that ends in a backslash goes on in the next line."""
    found: list[Command] = []
    goes_on = False
    for number, line in enumerate(block.text.splitlines(), start=block.line):
        if goes_on:
            last = found[-1]
            found[-1] = last._replace(text=f"{last.text}\n{line.removeprefix('> ')}")
        elif line.startswith("$ "):
            found.append(Command(number, line[2:], []))
        elif found:
            found[-1].expected.append(line.rstrip())
        else:
            raise BlockFailed(f"line {number}: printed before any command")
        goes_on = (goes_on or line.startswith("$ ")) and line.endswith("\\")
    if not found:
        raise BlockFailed(f"line {block.line}: a console block without a command")
    return found


def matches(expected: list[str], printed: str) -> bool:
    """Whether the lines that are shown are the lines that were printed."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else ".*?".join(map(re.escape, line.split("..."))) + r"[ \t]*\n"
        for line in expected
    )
    return re.fullmatch(pattern, printed.strip("\n") + "\n") is not None


class Sandbox:
    """The folder, the namespace and the environment in which one file's blocks are run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, Any] = {"__name__": "__main__"}
        self._printed = ""
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "ROLLBOOK_DB": f"sqlite:///{folder / 'rollbook.db'}",
            "COLUMNS": "100",
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "TERM": "dumb",
            "TZ": "UTC",
        }

    def run(self, path: Path, name: str) -> int:
        """Run the file's blocks in order; answers how many ran."""
        blocks = blocks_of(path.read_text(encoding="utf-8"))
        return sum(self._run_block(block, name) for block in blocks)

    def _run_block(self, block: Block, name: str) -> bool:
        where = f"{name}:{block.line}"
        if block.is_output:
            _compare(where, block.text.rstrip("\n").splitlines(), self._printed)
        if block.not_run or block.language not in RUN:
            return False
        if block.language == "python":
            self._python(block, where)
        elif block.language == "console":
            for command in commands_of(block):
                self._command(command, f"{name}:{command.line}")
        else:
            self._shell(f"set -eu\n{block.text}", where, 0)
        return True

    def _python(self, block: Block, where: str) -> None:
        printed = io.StringIO()
        # The blank lines before make the line numbers of a traceback those of the file.
        program = compile("\n" * (block.line - 1) + block.text, where.rpartition(":")[0], "exec", dont_inherit=True)
        try:
            with contextlib.redirect_stdout(printed):
                exec(program, self._names)
        except (Exception, SystemExit) as error:
            raise BlockFailed(f"{where}: {type(error).__name__}: {error}") from error
        self._printed = printed.getvalue()

    def _command(self, command: Command, where: str) -> None:
        status = _EXIT.search(command.text)
        printed = self._shell(command.text, where, int(status[1]) if status else 0)
        expected = "\n".join(command.expected).rstrip("\n").splitlines()
        if expected:
            _compare(where, expected, printed)

    def _shell(self, text: str, where: str, status: int) -> str:
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=self._folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
            check=False,
            encoding="utf-8",
        )
        if done.returncode != status:
            raise BlockFailed(f"{where}: exit {done.returncode}, not {status}:\n{done.stdout}")
        return done.stdout


def _compare(where: str, expected: list[str], printed: str) -> None:
    if not matches(expected, printed):
        shown = "\n".join(expected)
        raise BlockFailed(f"{where}: what is shown is not what is printed.\n--- shown\n{shown}\n--- printed\n{printed}")
