"""Books as released versions wrote them, and what those versions said that the books hold.

``python -m faults.released`` writes ``data/books/schema-N.sql`` and ``schema-N.json``, N being the newest schema of the
Rollbook that runs it. That is done once, when a version with a new schema is released; nothing changes them afterwards.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import apsw

import rollbook
from rollbook.cli import main as command
from rollbook.model import to_dict, to_micros
from rollbook.plans import Plans
from rollbook.settings import Settings
from rollbook.store import statements

from .tools import url_of

BOOKS: Final = Path(__file__).parent.parent / "data" / "books"
TRANSCRIPTS: Final = BOOKS / "transcripts"
NOW: Final = datetime(2026, 5, 28, 20, 26, 40, tzinfo=UTC)
#: Who imported which transcripts.
IMPORTED: Final = {None: "forked", "ann@example.org": "sub-agent"}
_BY: Final = ("hour", "day", "model", "agent", "project", "user", "kind")
_HOME: Final = "/home/sample/.claude/projects"


def opened(path: Path | str, user: str | None = None, *, everybody: bool = True) -> rollbook.Rollbook:
    """A book whose clock stands still."""
    plans = Plans(url_of(path), user=user, all_users=everybody, settings=Settings(), clock=lambda: to_micros(NOW))
    return rollbook.Rollbook(plans)


def build(schema: int, path: Path) -> None:
    """The book that a released version left."""
    raw = apsw.Connection(str(path))
    raw.execute((BOOKS / f"schema-{schema}.sql").read_text(encoding="utf-8"))
    raw.pragma("journal_mode", "wal")
    raw.close()


def expected(schema: int) -> Any:
    """What that version answered."""
    return json.loads((BOOKS / f"schema-{schema}.json").read_text(encoding="utf-8"))


def answers(path: Path | str) -> dict[str, Any]:
    """Everything that a book answers, for everybody and for each user."""
    found: dict[str, Any] = {}
    with opened(path) as book:
        sessions = list(book.iterate(order_by="started_at", ascending=True))
        found["everybody"] = _figures(book)
        found["sessions"] = [to_dict(item) for item in sessions]
        found["usage"] = [
            [to_dict(row) for row in book.usage(item.session_id, user_id=item.user_id)] for item in sessions
        ]
        found["inclusive"] = [to_dict(book.inclusive(item.session_id, user_id=item.user_id)) for item in sessions]
        found["conversations"] = [
            [to_dict(row) for row in book.conversation(item.session_id, user_id=item.user_id)] for item in sessions
        ]
        found["states"] = [book.all_state(item.session_id, user_id=item.user_id) for item in sessions]
        found["verified"] = to_dict(book.verify())
    for user in sorted({item.user_id for item in sessions}):
        with opened(path, user, everybody=False) as book:
            found[user] = _figures(book)
            found[user]["known"] = sorted(book.known_usage(["amended", "alias-1", "alias-2", "gone", "nobody's"]))
            found[user]["files"] = {
                item.path: [item.size, item.offset] for item in book.source_files("claude-code").values()
            }
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]  # as it is when it was read from a file


def _figures(book: rollbook.Rollbook) -> dict[str, Any]:
    return {
        "stats": {since: to_dict(book.stats(since=since)) for since in ("all", "30d", "2h")},
        "models": {since: to_dict(book.cost_by_model(since=since)) for since in ("all", "2h")},
        "spend": {by: to_dict(book.spend(by=by, since="all")) for by in _BY},
        "listed": {
            status: [item.session_id for item in book.list(status=status).sessions]
            for status in ("running", "completed", "failed", "cancelled", "unknown", "abandoned")
        },
    }


def at(hours: float) -> datetime:
    """A time before now."""
    return NOW - timedelta(hours=hours)


def write(path: Path | str) -> None:
    """Something of everything that a book can hold."""
    with opened(path) as book:
        _lives(book)
        _calls(book)
        _others(book)
        _contents(book)
    for user, name in IMPORTED.items():
        imported(path, user, TRANSCRIPTS / name)


def _lives(book: rollbook.Rollbook) -> None:
    facts: dict[str, Any] = {"agent": "my-bot", "project": "shop", "kind": "autonomous", "channel": "api"}
    book.touch("running", **facts, title="Löschen 删除", tags=["a", "b"], metadata={"n": [1, None]}, at=at(0.1))
    book.touch("abandoned", agent="other-bot", at=at(30))
    for name, status in (("completed", "completed"), ("failed", "failed"), ("cancelled", "cancelled")):
        book.touch(name, **facts, goal_text="To end", at=at(50))
        book.record_usage(
            name, model="gpt-4o", tokens_in=1000, tokens_out=100, usage_id=f"of {name}", occurred_at=at(49.5)
        )
        book.end(name, status, reason="said so" if status == "failed" else None, at=at(49))
    book.touch("crashed", at=at(20))
    book.mark_unknown("crashed", reason="its process is gone")
    for attempt in range(3):
        book.touch("reopened", at=at(40 - attempt))
        book.end("reopened", "failed" if attempt else "completed", at=at(39.5 - attempt))
        if attempt < 2:
            book.reopen("reopened", at=at(39.2 - attempt))
    book.touch("parent", at=at(10))
    book.touch("child", parent="parent", at=at(9.5), turns=3)
    book.touch("deleted", title="Gone", at=at(60))
    book.record_usage("deleted", model="gpt-4o", tokens_in=5000, usage_id="gone", occurred_at=at(59))
    book.delete("deleted")
    book.record_usage("deleted", model="gpt-4o", tokens_in=70, usage_id="gone later", occurred_at=at(58))
    book.touch("ahead of the clock", at=NOW + timedelta(days=2))


def _contents(book: rollbook.Rollbook) -> None:
    asked = book.add_qa("parent", question="Löschen?", answer="删除", context="before", qa_id="asked", at=at(10))
    book.add_feedback("parent", asked, score=4, text="fine")
    book.add_trace_step("parent", origin_function="look", status="error", error="not there", at=at(9.9))
    book.add_message("parent", role="assistant", content="done", message_id="done", at=at(9.8))
    book.set_state("parent", values={"seen": {"n": [1, 0.1, None]}})
    book.fork("parent", "branched")
    book.add_message("branched", role="user", content="and on", message_id="on", at=at(8.9))


def _calls(book: rollbook.Rollbook) -> None:
    times: dict[str, Any] = {"occurred_at": at(5)}
    book.record_usage("child", model="claude-sonnet-4-5", tokens={"input": 300, "cache_read": 9000, "cache_write": 50,
        "cache_write_1h": 10, "output": 150, "reasoning": 60}, usage_id="kinds", **times)  # fmt: skip
    book.record_usage("child", model="gpt-4o-audio-preview", tokens={"audio_in": 20, "audio_out": 30}, **times)
    for evidence, tokens in (("metric", 10), ("log", 40), ("transcript", 70)):
        book.record_usage("parent", model="gpt-4o", tokens_in=tokens, usage_id="amended", evidence=evidence, **times)
    book.record_usage("parent", tokens_in=8, usage_id="first", aliases=["alias-1", "alias-2"], cost_usd="0.5", **times)
    book.record_usage("parent", tokens_in=8, usage_id="alias-2", aliases=["alias-3"], **times)
    book.record_usage("completed", model="gpt-4o", tokens_in=900, usage_id="late", occurred_at=at(2))
    book.record_usage("reopened", model="gpt-4o", tokens_in=9, usage_id="between", occurred_at=at(39.3))
    book.record_usage("running", model="nobody-knows-1", tokens_in=12, tokens_out=3, usage_id="unpriced", **times)
    book.record_usage("running", tokens_in=4, cost_usd="0", usage_id="free", billing="subscription", **times)
    book.record_usage("running", model="gpt-4o", tokens_in=4, tier="batch", errored=True, usage_id="batch", **times)
    book.record_usage("running", model="gpt-4o", provider="azure", tokens_in=4, usage_id="azure", source="x", **times)


def _others(book: rollbook.Rollbook) -> None:
    for user in ("ann@example.org", "7c9e6679-7425-40de-944b-e07fc1f90ae7"):
        book.touch("running", user_id=user, dataset_id="7c9e6679-7425-40de-944b-e07fc1f90ae8", at=at(3))
        book.record_usage(
            "running", user_id=user, model="gpt-4o", tokens_in=77, usage_id="amended", occurred_at=at(2.9)
        )
    row = {
        "id": "counted elsewhere",
        "status": "active",
        "model": "gpt-4o",
        "prompt_tokens": 500,
        "completion_tokens": 90,
        "reasoning_tokens": 40,
        "cost_cents": 12.5,
        "turns": 7,
        "created_at": at(8),
        "last_active_at": at(1),
    }
    book.upsert(row)
    book.upsert(row | {"prompt_tokens": 450, "cost_cents": 13})


def imported(path: Path | str, user: str | None, transcripts: Path) -> str:
    """Import transcripts as the command does; what it says of it."""
    said = Path(tempfile.mkdtemp()) / "said"
    whose = [] if user is None else ["--user", user]
    with said.open("w", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        status = command(["--db", url_of(path), *whose, "import", "claude-code", "--path", str(transcripts), "--json"])
    assert status == 0
    text = said.read_text(encoding="utf-8")
    shutil.rmtree(said.parent)
    return text


def dumped(path: Path) -> Iterator[str]:
    """A database as statements that make it again."""
    raw = apsw.Connection(str(path))
    for name in ("application_id", "user_version"):
        yield f"pragma {name} = {raw.pragma(name)};"
    yield "begin;"
    words = "select type, name, sql from sqlite_schema where sql is not null order by rowid"
    schema: list[Any] = raw.execute(words).fetchall()
    tables = {name: sql for kind, name, sql in schema if kind == "table"}
    virtual = tuple(name for name, sql in tables.items() if sql.upper().startswith("CREATE VIRTUAL"))
    for name, sql in tables.items():
        if name.startswith("sqlite_stat"):
            yield "analyze account;"  # SQLite makes the table itself
        elif not name.startswith(tuple(f"{one}_" for one in virtual)):
            yield f"{sql};"
    for name in (name for name in tables if name not in virtual):
        if name.startswith(("sqlite_stat", *virtual)):
            yield f"delete from {name};"
        for row in raw.execute(f"select * from {name}"):
            yield f"insert into {name} values ({', '.join(map(apsw.format_sql_value, row))});"
    yield from (f"{sql};" for kind, _, sql in schema if kind == "index")
    yield "commit;"


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    os.environ["HOME"] = str(folder)
    path, number = folder / "book.db", statements.migrations()[-1][0]
    write(path)
    raw = apsw.Connection(str(path))
    # The files lay in somebody's home, and not on this machine.
    raw.execute("update source_file set path = replace(path, ?, ?), device = 66", (str(TRANSCRIPTS), _HOME))
    raw.close()
    (BOOKS / f"schema-{number}.sql").write_text("\n".join(dumped(path)) + "\n", encoding="utf-8")
    told = json.dumps(answers(path), indent=1, ensure_ascii=False)
    (BOOKS / f"schema-{number}.json").write_text(told + "\n", encoding="utf-8")
    shutil.rmtree(folder)
    sys.stdout.write(f"schema-{number}.sql and schema-{number}.json in {BOOKS}\n")


if __name__ == "__main__":
    main()
