"""What is written is what was there: to the last digit, in every format, whatever agents wrote."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet  # type: ignore[import-untyped]
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import rollbook
from rollbook.errors import InvalidInput
from rollbook.exporters import FORMATS, export
from rollbook.exporters.moments import stamp
from rollbook.exporters.parquet import GROUP, writing
from rollbook.exporters.rows import Kind, columns_of
from rollbook.exporters.spreadsheet import harmless
from rollbook.model import Session, SpendRow, Usage, from_micros, rfc3339, to_dict, to_micros

from .tools import exported, fill, opened, plain, read

STRUCTS = {"sessions": Session, "usage": Usage, "spend": SpendRow}


def shown(book: rollbook.Rollbook, what: str, **asked: Any) -> list[dict[str, Any]]:
    """What an export is to say, by the other methods of the book."""
    if what == "usage":
        return plain(book.iterate_usage(**asked))
    if what == "spend":
        return plain(book.spend(**{"since": "all", **asked}).rows)
    by_key = {(one.user_id, one.session_id): to_dict(one) for one in book.iterate(**asked)}
    order = [row[:2] for row in book.extract(what=what, **asked).rows]
    return [by_key[user, session] for session, user in order]


def cell(value: Any, kind: Kind) -> str:
    """A value as CSV has it."""
    if value is None:
        return ""
    if kind is Kind.TEXT:
        return harmless(value)
    if kind in (Kind.TEXTS, Kind.MAPPING, Kind.TRUTH):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return value if kind is Kind.MOMENT else repr(value)


def of_csv(text: str, kind: Kind, *, optional: bool) -> Any:
    """A cell as the value that it was."""
    if text == "" and optional:
        return None
    if kind is Kind.TEXT:
        return text.removeprefix("'")
    if kind in (Kind.TEXTS, Kind.MAPPING, Kind.TRUTH):
        return json.loads(text)
    return text if kind is Kind.MOMENT else kind.value(text)


def of_parquet(value: Any, kind: Kind) -> Any:
    if kind is Kind.MAPPING:
        return json.loads(value)
    return rfc3339(value) if isinstance(value, datetime) else value


def same(book: rollbook.Rollbook, what: str, **asked: Any) -> None:
    """All formats say what the book says."""
    expected = shown(book, what, **asked)
    assert read(exported(book, what, "jsonl", **asked), "jsonl") == expected
    columns = columns_of(STRUCTS[what])
    for row, told in zip(read(exported(book, what, "csv", **asked), "csv"), expected, strict=True):
        assert list(row) == list(told) == [column.name for column in columns]
        back = {one.name: of_csv(row[one.name], one.kind, optional=one.optional) for one in columns}
        assert {key: value or None for key, value in back.items()} == {
            key: value or None for key, value in told.items()
        }
    for row, told in zip(read(exported(book, what, "parquet", **asked), "parquet"), expected, strict=True):
        assert {one.name: of_parquet(row[one.name], one.kind) for one in columns} == told


@pytest.mark.parametrize("what", STRUCTS)
def test_every_format_says_what_the_book_says(what: str) -> None:
    with opened(all_users=True) as book:
        for form in FORMATS:
            assert read(exported(book, what, form), form) == []
        fill(book)
        same(book, what)
        same(book, what, user_id="ann")
        same(book, what, since="24h")


@pytest.mark.parametrize("by", ["hour", "day", "model", "agent", "project", "user", "kind"])
def test_spend_by(by: str) -> None:
    with opened(all_users=True) as book:
        fill(book)
        same(book, "spend", by=by, tz="Europe/Vienna")


def test_jsonl_has_the_keys_of_to_dict_in_their_order_one_row_a_line() -> None:
    with opened(user="ann") as book:
        fill(book)
        for what, struct in STRUCTS.items():
            lines = exported(book, what, "jsonl").decode().splitlines()
            assert lines
            for line in lines:
                assert list(json.loads(line)) == list(struct.__struct_fields__)


def test_numbers_are_exact() -> None:
    with opened() as book:
        for number, cost in enumerate(("0.000000001", "999999.999999999", "0", "0.1", "0.3", None)):
            book.record_usage("s", tokens_in=10**12, cost_usd=cost, usage_id=f"u{number}", model="no such model")
        nano = [1, 999_999_999_999_999, 0, 10**8, 3 * 10**8, None]
        for form in FORMATS:
            rows = read(exported(book, "usage", form), form)
            assert [
                int(row["cost_nano_usd"]) if row["cost_nano_usd"] not in ("", None) else None for row in rows
            ] == nano
            assert [int(row["tokens_in"]) for row in rows] == [10**12] * 6
            dollars = [None if row["cost_usd"] in ("", None) else float(row["cost_usd"]) for row in rows]
            assert dollars == [row.cost_usd for row in book.iterate_usage()]


def test_csv_is_rfc_4180() -> None:
    with opened() as book:
        book.touch("s", title='He said "no",\r\nthen left', goal_text="two\nlines\rthree", tags=["a,b", '"'])
        data = exported(book, "sessions", "csv")
        assert data.startswith(b"session_id,user_id,dataset_id,")
        assert data.endswith(b"\r\n")
        assert b'"He said ""no"",\r\nthen left"' in data
        (row,) = read(data, "csv")
        assert (row["title"], row["goal_text"]) == ('He said "no",\r\nthen left', "two\nlines\rthree")
        assert json.loads(row["tags"]) == ['"', "a,b"]


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\u00a0=1", "\uff1d1", "\uff0b1", "\uff0d1",
        "\uff20x", "'=1", "'", "-", '=HYPERLINK("http://x")', "\u2003@x",
    ],
)  # fmt: skip
def test_a_spreadsheet_finds_no_formula(text: str) -> None:
    assert harmless(text) == f"'{text}"
    with opened() as book:
        book.touch("s", title=text, goal_text=text, actor=text if text.isprintable() else None)
        (row,) = read(exported(book, "sessions", "csv"), "csv")
        assert row["title"] == row["goal_text"] == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=1", "1", "a", " a", "(1)", "_=", "é", "[=1]", '"=1"'])
def test_other_texts_are_left_alone(text: str) -> None:
    assert harmless(text) == text


def test_numbers_below_zero_stay_numbers() -> None:
    with opened() as book:
        book.record_usage("s", tokens_in=5, cost_usd=1, usage_id="u")
        book.record_usage("s", tokens_in=9, cost_usd=2, usage_id="u", evidence="transcript")
        row = read(exported(book, "usage", "csv"), "csv")[1]
        assert (row["entry"], row["tokens_in"], row["cost_usd"]) == ("reversal", "-5", "-1.0")


_prose = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)
_name = _prose.filter(lambda text: not text.isspace() and text.isprintable())
_nasty = st.sampled_from(
    ["=1", "'=x", '"', ",", "\r\n", "a\r", "\u2028", "\x85", "\x1b[2J", "\ufeff", "null", "\\", "\U0001f600"]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _prose, lambda inner: st.lists(inner, max_size=3)
)


@given(
    name=_name, title=_prose | _nasty, goal=_prose | _nasty, model=_name, tags=st.lists(_name, max_size=3),
    metadata=st.dictionaries(_prose | _nasty, _json, max_size=3),
)  # fmt: skip
@example(name="=1", title="'", goal="\r", model="@m", tags=["-"], metadata={"=": "+"})
def test_whatever_agents_wrote_comes_back_as_it_was(
    *, name: str, title: str, goal: str, model: str, tags: list[str], metadata: dict[str, Any]
) -> None:
    with opened() as book:
        book.touch(name, title=title, goal_text=goal, tags=tags, metadata=metadata, agent=model, project=name)
        book.record_usage(name, model=model, tokens_in=1, usage_id=name, source=model)
        for what in STRUCTS:
            same(book, what)
        same(book, "spend", by="agent")


@given(st.integers(0, to_micros(datetime.max.replace(tzinfo=UTC))))
@example(0)
def test_times_are_written_as_everywhere(micros: int) -> None:
    assert stamp(micros) == rfc3339(from_micros(micros))


def test_parquet_has_types_and_row_groups_of_a_bounded_size() -> None:
    with opened() as book:
        book.record_usage("s", tokens_in=1, usage_id="u")
        ((_, *values),) = book.extract().rows
    rows = [(f"u{number}", *values) for number in range(GROUP * 2 + 5)]
    file = io.BytesIO()
    with writing(file, columns_of(Usage)) as write:
        for start in range(0, len(rows), 1000):
            write(rows[start : start + 1000])
    found = pyarrow.parquet.ParquetFile(io.BytesIO(file.getvalue()))
    assert [found.metadata.row_group(place).num_rows for place in range(found.num_row_groups)] == [GROUP, GROUP, 5]
    assert found.read()["usage_id"].to_pylist() == [row[0] for row in rows]
    types = {field.name: str(field.type) for field in found.schema_arrow}
    assert list(types) == list(Usage.__struct_fields__)
    assert types["cost_nano_usd"] == types["tokens_in"] == "int64"
    assert types["occurred_at"] == "timestamp[us, tz=UTC]"
    assert (types["cost_usd"], types["late"], types["model"]) == ("double", "bool", "string")
    sessions = {one.name: one.kind for one in columns_of(Session)}
    assert (sessions["tags"], sessions["metadata"]) == (Kind.TEXTS, Kind.MAPPING)


def test_without_pyarrow_parquet_says_what_to_install_and_the_rest_works(tmp_path: Path) -> None:
    program = """
import io, sys
sys.modules["pyarrow"] = None  # as where it is not installed: importing it fails
import rollbook
from rollbook.exporters import export
with rollbook.open("sqlite:///:memory:") as book:
    book.record_usage("s", tokens_in=1)
    assert export(book, "usage", io.BytesIO(), format="jsonl") == export(book, "usage", io.BytesIO(), format="csv") == 1
    try:
        export(book, "usage", sys.argv[1], format="parquet")
    except rollbook.NotSupported as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "usage.parquet")], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert "rollbook[parquet]" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("what", "asked", "named"),
    [
        ("calls", {}, "sessions, usage, content, spend"),
        ("usage", {"format": "xml"}, "jsonl, csv, parquet"),
        ("usage", {"by": "day"}, "by"),
        ("spend", {"agent": "x"}, "agent"),
        ("spend", {"by": "mood"}, "hour, day"),
        ("sessions", {"status": "odd"}, "status"),
        ("sessions", {"what": "usage"}, "what"),
        ("usage", {"limit": 5}, "limit"),
    ],
)
def test_wrong_questions_write_nothing(what: str, asked: dict[str, Any], named: str) -> None:
    file = io.BytesIO()
    with opened() as book, pytest.raises((InvalidInput, TypeError), match=named):
        export(book, what, file, **asked)
    assert file.getvalue() == b""


def test_progress_is_told() -> None:
    told: list[int] = []
    with opened() as book:
        book.record_many([{"session_id": "s", "tokens_in": 1} for _ in range(4500)])
        export(book, "usage", io.BytesIO(), progress=told.append)
    assert told == [2000, 4000, 4500]


def test_csv_is_read_by_any_reader() -> None:
    with opened() as book:
        fill(book)
        rows = list(csv.reader(io.StringIO(exported(book, "usage", "csv", user_id="ann").decode(), newline="")))
        assert {len(row) for row in rows} == {len(Usage.__struct_fields__)}
