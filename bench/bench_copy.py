"""How many sessions and ledger rows a second `copy` takes from a file into PostgreSQL and back, proof included.

    python bench/bench_copy.py [--small] [--sessions N] [--url URL]

A book of N sessions with three ledger rows each, of 2,000 users, is loaded by plain SQL (see bulk.py); a journal entry
goes with each of the first 20,000. Then, in turns, a new process copies it into an empty book on a server that is
started, or that ``--url`` names; again, where nothing has changed; and from there into a new file. Counted are sessions
and ledger rows; rows of all tables, and the seconds until the proof began, stand beside.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

import bulk
import harness
import postgres_place as place
import rollbook
from harness import Measured, Variant

_DATABASE: Final = "rollbook_bench_copy"
_ENTRIES: Final = 20_000


def main(argv: list[str]) -> int:
    parser = harness.options(__doc__)
    parser.add_argument("--sessions", type=int, default=None)
    parser.add_argument("--url", help="a server to use, as postgresql://…/database")
    given = parser.parse_args(argv)
    sessions = given.sessions or (10_000 if given.small else 100_000)
    with harness.workplace(given.folder) as folder, place.server_url(given.url, given.folder) as server:
        file, back = f"sqlite:///{folder}/source.db", folder / "back.db"
        harness.apart(bulk.build, str(folder / "source.db"), sessions)
        harness.apart(_talk, file, min(sessions, _ENTRIES))
        url = place.beside(server, _DATABASE)
        told = harness.alternate(
            [
                Variant(name="into PostgreSQL", run=_into, arguments=(file, server), must_agree="copy"),
                Variant(name="again, nothing changed", run=_copied, arguments=(file, url), must_agree="copy"),
                Variant(name="into a new file", run=_out, arguments=(url, str(back)), must_agree="copy"),
            ],
            given.rounds or harness.ROUNDS,
        )
        about = place.versions(server)
        place.dropped(server, _DATABASE)
    harness.report("copy", told, {"sessions": sessions}, ["rows", "copied in s", "proven in s"])
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    return 0


def _talk(url: str, entries: int) -> None:
    with rollbook.open(url, all_users=True) as book:
        for number, session in enumerate(book.iterate()):
            if number == entries:
                return
            book.add_qa(
                session.session_id,
                question=f"what became of part {number}?",
                answer="It was deployed to the cluster, after its tests had passed and nobody objected.",
                user_id=session.user_id,
            )


def _into(file: str, server: str) -> Measured:
    return _copied(file, place.made(server, _DATABASE))


def _out(url: str, path: str) -> Measured:
    for old in Path(path).parent.glob(Path(path).name + "*"):
        old.unlink()
    return _copied(url, f"sqlite:///{path}")


def _copied(source: str, target: str) -> Measured:
    proving: list[float] = []

    def told(what: str, _done: int, _total: int) -> None:
        if what == "check":
            proving.append(time.perf_counter())

    with rollbook.open(source) as book:
        harness.settle()
        started = time.perf_counter()
        done = book.copy_to(target, progress=told)
        ended = time.perf_counter()
    proven = ended - proving[0] if proving else 0.0
    counted = done.sessions + done.ledger_rows
    return Measured(
        rate=counted / (ended - started),
        checks=[done.sessions, done.ledger_rows],
        more={"rows": done.added, "copied in s": round(ended - started - proven, 2), "proven in s": round(proven, 2)},
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
