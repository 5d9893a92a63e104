"""Books with everything in them that an export may meet, and what is read back of one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw

import rollbook
from rollbook.exporters import export
from rollbook.model import Usage, to_dict
from rollbook.plans import Plans
from rollbook.settings import Settings

AT: Final = "2026-05-01T12:00:00.000001Z"
USERS: Final = ("ann", "bob")


@contextmanager
def opened(**named: Any) -> Iterator[rollbook.Rollbook]:
    """A book in memory."""
    with rollbook.open("sqlite:///:memory:", **named) as book:
        yield book


@contextmanager
def at_time(clock: list[int], **named: Any) -> Iterator[rollbook.Rollbook]:
    """A book in memory, with a clock that stands where the list says."""
    plans = Plans(
        "sqlite:///:memory:",
        user=None,
        settings=Settings(),
        clock=lambda: clock[0],
        **{"all_users": False, **named},
    )
    with rollbook.Rollbook(plans) as book:
        yield book


def fill(book: rollbook.Rollbook) -> None:
    """Two users with sessions of the same ids: calls amended, late, unpriced, moved, deleted, and adjustments."""
    for user in USERS:
        for name in ("one", "two", "gone", "three"):
            book.touch(name, user_id=user, agent=f"agent {name}", title=f"Title of {name}", tags=["a", name], at=AT)
            for number in range(3):
                book.record_usage(
                    name, user_id=user, model=("m", "n", None)[number], tokens_in=10 + number, tokens_out=number,
                    cost_usd=(None, "0.000000001", "0.1")[number], usage_id=f"{name}-{number}", occurred_at=AT,
                    errored=number == 1, billing="api", tier="batch", provider="p",
                )  # fmt: skip
        book.record_usage("two", user_id=user, model="m", tokens_in=99, usage_id="two-0", evidence="transcript")
        book.record_usage("three", user_id=user, tokens_in=50, usage_id="one-1", evidence="transcript", occurred_at=AT)
        book.end("one", "completed", user_id=user, at=AT)
        book.record_usage("one", user_id=user, tokens_in=7, usage_id="late", occurred_at="2026-05-02T00:00:00Z")
        book.upsert({"session_id": "three", "tokens_in": 5000, "cost_usd": 1.5}, user_id=user)
        book.delete("gone", user_id=user)


def everything(book: rollbook.Rollbook, user: str) -> dict[str, list[Usage]]:
    """The ledger rows of a user's sessions as ``usage`` answers them, by session, in the order of their writing."""
    found = {one.session_id: book.usage(one.session_id, user_id=user) for one in book.iterate(user_id=user)}
    return {name: sorted(rows, key=lambda row: row.recorded_at) for name, rows in found.items()}


def exported(book: rollbook.Rollbook, what: str, form: str, **asked: Any) -> bytes:
    """What an export writes."""
    file = io.BytesIO()
    rows = export(book, what, file, format=form, **asked)
    assert rows == len(read(file.getvalue(), form))
    return file.getvalue()


def read(data: bytes, form: str) -> list[Any]:
    """The rows of an export, as a reader of that format has them."""
    if form == "jsonl":
        return [json.loads(line) for line in data.decode().split("\n")[:-1]]
    if form == "csv":
        return list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    import pyarrow.parquet  # type: ignore[import-untyped]  # noqa: PLC0415 - only few tests want it

    found: list[Any] = pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()
    return found


def plain(rows: Any) -> list[Any]:
    """What ``to_dict`` makes of each."""
    return [to_dict(row) for row in rows]


def long_book(path: Path, rows: int) -> str:
    """A book on disk with one session of so many ledger rows, copied from a real one; its URL."""
    url = f"sqlite:///{path}"
    with rollbook.open(url) as book:
        book.record_usage("s", model="m", tokens_in=100, tokens_out=7, cost_usd="0.01", occurred_at=AT)
    connection = apsw.Connection(str(path))
    columns = [row[1] for row in connection.execute("pragma table_info(ledger)")]
    new = {"row_no": "ledger.row_no + counter.n", "usage_id": "ledger.usage_id || counter.n"}
    connection.execute(
        "with recursive counter (n) as (select 1 union all select n + 1 from counter where n < ?)"
        f" insert into ledger ({', '.join(columns)})"
        f" select {', '.join(new.get(name, f'ledger.{name}') for name in columns)} from ledger, counter",
        (rows - 1,),
    )
    connection.execute("update session set ledger_rows = ?", (rows,))
    connection.close()
    return url
