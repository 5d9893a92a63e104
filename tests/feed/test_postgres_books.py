"""Books on PostgreSQL: what one process writes, the others are told by name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import rollbook
from rollbook.feed import Change, Lost, Subscription

PATIENCE_S = 30.0
PROGRAM = """
import sys, rollbook
with rollbook.open(sys.argv[1], user=sys.argv[2]) as book:
    print("open", flush=True)
    for line in sys.stdin:
        kind, session = line.split()
        if kind == "touch":
            book.touch(session)
        elif kind == "use":
            book.record_usage(session, tokens_in=1)
        elif kind == "say":
            book.add_qa(session, question="q", answer="a")
        else:
            book.delete(session)
        print("done", flush=True)
"""


@contextmanager
def neighbour(url: str, user: str = "ann") -> Iterator[Callable[[str, str], None]]:
    """Another process with the same book, which does what it is told to."""
    there = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    command = [sys.executable, "-c", PROGRAM, url, user]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=there, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"

        def do(kind: str, session: str) -> None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{kind} {session}\n")
            assert process.stdout.readline() == "done\n"

        yield do
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0


def told(reader: Subscription) -> tuple[str, set[str]]:
    item = reader.next(PATIENCE_S)
    assert isinstance(item, Change), item
    return item.session_id, set(item.kinds)


def test_what_another_process_does_is_told_by_name_and_once(postgres_url: str) -> None:
    with rollbook.open(postgres_url, user="ann") as book, neighbour(postgres_url) as do, book.changes() as reader:
        assert isinstance(reader.next(PATIENCE_S), Lost), "it hears from others from now on"
        do("touch", "s")
        assert told(reader) == ("s", {"life"})
        assert book.get("s").status == "running", "whoever is told can see it"
        do("use", "s")
        assert told(reader) == ("s", {"usage"})
        do("say", "s")
        assert told(reader) in (("s", {"life", "content"}), ("s", {"content"}))
        book.end("s", "completed")
        assert told(reader) == ("s", {"life"})
        do("delete", "s")
        assert told(reader) == ("s", {"removed"})
        assert reader.next(0) is None


def test_r6_of_other_users_nothing_is_told(postgres_url: str) -> None:
    with (
        rollbook.open(postgres_url, user="bob") as book,
        rollbook.open(postgres_url, all_users=True) as admin,
        neighbour(postgres_url) as do,
        book.changes() as bobs,
        admin.changes() as everybodys,
    ):
        for reader in (bobs, everybodys):
            assert isinstance(reader.next(PATIENCE_S), Lost)
        do("touch", "s")
        assert told(everybodys) == ("s", {"life"})
        book.touch("t")
        assert told(bobs) == ("t", {"life"})
        assert told(everybodys) == ("t", {"life"})
        assert bobs.next(0) is None


def test_every_lane_tells(postgres_url: str) -> None:
    with rollbook.open(postgres_url) as book, book.changes() as reader:
        assert isinstance(reader.next(PATIENCE_S), Lost)
        for number in range(40):
            book.touch(f"s{number}")
        assert {told(reader)[0] for _ in range(40)} == {f"s{number}" for number in range(40)}


def test_a_forked_child_tells_the_parent(postgres_url: str) -> None:
    with rollbook.open(postgres_url) as book, book.changes() as reader:
        assert isinstance(reader.next(PATIENCE_S), Lost)
        book.touch("before")
        assert told(reader) == ("before", {"life"})
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                with book.changes() as own:
                    book.touch("of the child")
                    code = 0 if own.next(PATIENCE_S) else 2
                book.close()
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert told(reader) == ("of the child", {"life"})
        book.touch("after")
        assert told(reader) == ("after", {"life"})
