"""Bytes on disk: for a session, for a model's row, for a row of the ledger.

    python bench/bench_size.py [--small] [--sessions N] [--calls N]

Three databases are weighed page by page (SQLite's dbstat):

- ``loaded``: N sessions with three models and three calls each, over 2,000 users and 30 days, loaded in the order of
  the keys (see bulk.py), as after a VACUUM: pages are full;
- ``lived``: a book of one user that metered the calls of bench_metering.py one after another, in any order of sessions:
  pages are as full as insertions leave them;
- ``cognee's``: the sessions and model rows of the first in cognee's tables with cognee's indexes; it keeps no ledger.

A table counts with its indexes. The kept sums are said apart, for each ledger row.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import apsw
import sqlalchemy as sa

import bulk
import calls
import cognee_style
import harness
import rollbook

_TABLES: Final = {
    "a session": ("session", ("session", "session_info")),
    "a model's row": ("model_usage", ("model_usage",)),
    "a ledger row": ("ledger", ("ledger", "usage_key")),
    "spend, for a ledger row": ("ledger", ("spend",)),
    "activity, for a session": ("session", ("activity", "activity_model")),
    "cognee's session": ("session_records", ("session_records",)),
    "cognee's model row": ("session_model_usage", ("session_model_usage",)),
}
_GROUP: Final = 64
_LOCKS_AT: Final = 2**30

Weights = dict[str, Any]


def main(argv: list[str]) -> int:
    parser = harness.options(__doc__)
    parser.add_argument("--sessions", type=int, default=None)
    parser.add_argument("--calls", type=int, default=None, help="calls of the lived book, on a tenth as many sessions")
    given = parser.parse_args(argv)
    sessions = given.sessions or (20_000 if given.small else 1_000_000)
    metered = given.calls or (20_000 if given.small else 200_000)
    with harness.workplace(given.folder) as folder:
        loaded = harness.apart(_loaded, str(folder / "loaded.db"), sessions)
        lived = harness.apart(_lived, str(folder / "lived.db"), metered)
        theirs = harness.apart(_theirs, str(folder / "loaded.db"), str(folder / "theirs.db"))
    rows: list[tuple[str, ...]] = [
        ("bytes for", f"loaded, {sessions:,} sessions", f"lived, {metered:,} calls", "cognee's, loaded")
    ]
    books = (loaded, lived, theirs)
    rows += [(what, *(_shown(weights.get(what)) for weights in books)) for what in _TABLES]
    rows += [(what, *(f"{weights[what]:,.0f}" for weights in books)) for what in ("MB in all", "rows in all")]
    print("\nsize on disk:")
    harness.table(rows)
    print("\nby table and index, bytes a row (loaded):")
    harness.table([("", "bytes"), *((name, f"{each:.1f}") for name, each in loaded["each"].items())])
    harness.keep("size", {"sessions": sessions, "calls": metered}, {"loaded": loaded, "lived": lived, "cognee": theirs})
    return 0


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _loaded(path: str, sessions: int) -> Weights:
    bulk.build(path, sessions)
    return _weigh(path)


def _lived(path: str, metered: int) -> Weights:
    work = calls.Workload(sessions=max(1, metered // 10), warm=0, calls=metered)
    made = calls.calls(work)
    with rollbook.open(f"sqlite:///{path}") as book:
        for start in range(0, metered, _GROUP):
            book.record_many(made[start : start + _GROUP])
    calls.balanced(path)
    return _weigh(path)


def _theirs(source: str, path: str) -> Weights:
    for old in Path(path).parent.glob(Path(path).name + "*"):
        old.unlink()
    engine = sa.create_engine(f"sqlite:///{path}")
    cognee_style.tables.create_all(engine)
    engine.dispose()
    connection = apsw.Connection(path)
    connection.pragma("synchronous", "off")
    connection.execute("attach database ? as book", (source,))
    user = "replace(account.user_id, '-', '')"
    when = "strftime('%Y-%m-%d %H:%M:%f', {} / 1000000.0, 'unixepoch') || '000'"
    script = f"""
        begin;
        insert into session_records
        select session_id, {user}, null, case status when 0 then 'running' when 1 then 'completed' else 'failed' end,
            {when.format("started_at")}, {when.format("last_activity_at")}, {when.format("ended_at")}, tokens_in,
            tokens_out, cost / 1e9, call_errors, model.name
        from book.session join book.account using (user_no) left join book.model on model_no = last_model_no
        order by session_id;
        insert into session_model_usage
        select session_id, {user}, model.name, model_usage.tokens_in, model_usage.tokens_out, model_usage.cost / 1e9,
            {when.format("last_activity_at")}
        from book.model_usage join book.session using (user_no, session_no) join book.account using (user_no)
        join book.model using (model_no) order by session_id;
        commit;
        detach database book;
        vacuum;
        """  # noqa: S608 - put together from the words above
    connection.execute(script)
    connection.close()
    return _weigh(path)


def _weigh(path: str) -> Weights:
    """Bytes for each row, by what the row is and by table and index, after the log was written into the file."""
    connection = apsw.Connection(path)
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    pages: list[Any] = connection.execute(
        "select dbstat.name, coalesce(tbl_name, 'sqlite_schema'), sum(pgsize) from dbstat"
        " left join sqlite_schema on sqlite_schema.name = dbstat.name group by dbstat.name"
    ).fetchall()
    names: set[str] = {table for _, table, _ in pages}
    counts: dict[str, Any] = {
        table: connection.execute(f"select count(*) from {table}").fetchall()[0][0]  # noqa: S608 - the schema's name
        for table in sorted(names)
    }
    total = sum(size for *_, size in pages)
    weights: Weights = {
        what: sum(size for _, table, size in pages if table in members) / counts[per]
        for what, (per, members) in _TABLES.items()
        if counts.get(per)
    }
    weights["each"] = {
        (name if name == table else f"{table}, {name}"): size / counts[table]
        for name, table, size in sorted(pages, key=lambda page: (page[1], page[0] != page[1]))
        if counts[table] > 1_000
    }
    weights["MB in all"] = total / 1e6
    weights["rows in all"] = sum(counts.values())
    file_size = Path(path).stat().st_size
    # Free pages are nobody's, and neither is the page at the first gigabyte's end, which SQLite keeps for its locks.
    nobodys = connection.pragma("freelist_count") + (file_size > _LOCKS_AT)
    free = nobodys * connection.pragma("page_size")
    if file_size != total + free:
        raise SystemExit(f"{path} has {file_size:,} bytes, its pages come to {total + free:,}")
    connection.close()
    return weights


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
