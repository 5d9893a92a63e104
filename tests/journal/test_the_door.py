"""What a journal takes in, and what it refuses before anything is changed, wherever journals are kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, Final

import pytest

import rollbook
from rollbook.errors import InvalidInput

RESERVED: Final = [("qa", "add_qa"), ("trace", "add_trace_step"), ("messages", "add_message")]
MIB: Final = 1 << 20


def nested(depth: int, around: Callable[[Any], Any]) -> Any:
    return reduce(lambda value, _: around(value), range(depth), "x")


# streams whose entries have a form


@pytest.mark.parametrize(("stream", "method"), RESERVED)
def test_a_stream_whose_entries_have_a_form_is_written_by_its_own_methods(
    book: rollbook.Rollbook, stream: str, method: str
) -> None:
    book.add_qa("s", question="needle", answer="a", qa_id="one")
    book.add_trace_step("s", origin_function="f", trace_id="one")
    book.add_message("s", role="user", content="u", message_id="one")
    before = book.revision("s", stream)
    for write in (
        lambda: book.append("s", stream, entries=[{"unknown": 1}]),
        lambda: book.replace_entry("s", stream, "one", body=[1]),
        lambda: book.patch_entry("s", stream, "one", fields={"unknown": 1}),
    ):
        with pytest.raises(InvalidInput, match=method):
            write()
    assert book.revision("s", stream) == before
    assert (len(book.qa("s")), len(book.trace("s")), len(book.conversation("s"))) == (1, 1, 3)
    assert [one.entry_id for one in book.pop_entries("s", stream)] == ["one"]


def test_what_is_no_mapping_sets_no_fields(book: rollbook.Rollbook) -> None:
    book.append("s", "x", entries=[{}], ids=["one"])
    wrong: list[Any] = [["a"], "a", None, {1: 2}, {"\ud800": 1}]
    for fields in wrong:
        with pytest.raises(InvalidInput):
            book.patch_entry("s", "x", "one", fields=fields)
    assert book.entry("s", "x", "one").body == {}


# how large an entry may be


def test_a_question_is_not_patched_beyond_the_limit(book: rollbook.Rollbook) -> None:
    book.add_qa("s", question="q", answer="a", qa_id="one")
    before = book.get_qa("s", "one"), book.revision("s", "qa")
    with pytest.raises(InvalidInput, match="ROLLBOOK_ENTRY_BYTES"):
        book.update_qa("s", "one", question="x" * 700_000, answer="y" * 700_000)
    assert (book.get_qa("s", "one"), book.revision("s", "qa")) == before
    assert book.update_qa("s", "one", question="x" * 700_000)
    with pytest.raises(InvalidInput, match="ROLLBOOK_ENTRY_BYTES"):
        book.add_feedback("s", "one", text="y" * 700_000)


def test_an_entry_is_not_patched_beyond_the_limit_little_by_little(book: rollbook.Rollbook) -> None:
    book.append("s", "x", entries=[{}], ids=["one"])
    assert book.patch_entry("s", "x", "one", fields={"a": "x" * 600_000})
    with pytest.raises(InvalidInput, match="ROLLBOOK_ENTRY_BYTES"):
        book.patch_entry("s", "x", "one", fields={"b": "x" * 600_000})
    assert list(book.entry("s", "x", "one").body) == ["a"]


def test_what_is_too_large_already_may_become_smaller(
    opened: Callable[..., rollbook.Rollbook], monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as book:
        book.append("s", "x", entries=[{"a": "x" * 5000, "b": "x" * 5000}], ids=["one"])
    monkeypatch.setenv("ROLLBOOK_ENTRY_BYTES", "1024")
    with opened() as book:
        assert book.patch_entry("s", "x", "one", fields={"a": ""})
        with pytest.raises(InvalidInput, match="ROLLBOOK_ENTRY_BYTES"):
            book.patch_entry("s", "x", "one", fields={"a": "more"})


# what JSON is

NOT_JSON: Final = {
    "nan": b"NaN",
    "infinity": b"[Infinity]",
    "minus infinity": b'{"a":-Infinity}',
    "half a pair": b'"\\ud800"',
    "half a pair in a name": b'{"\\uDC00":1}',
    "byte order mark": b"\xef\xbb\xbf1",
    "another encoding": "[1]".encode("utf-16-le"),
    "no text": b'"\xff"',
    "no end": b"[",
    "nothing": b"",
}
JSON: Final = {
    "beyond 64 bits": b"123456789012345678901234567890",
    "beyond a double": b"[1e400,-1e400]",
    "a pair": b'"\\ud83d\\ude00"',
    "a backslash before": b'"\\\\ud800"',
    "brackets in a text": b'"' + b"[" * 2000 + b'\\""',
    "much": b"[" + b",".join([b"[{}]"] * 2000) + b"]",
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_bytes_that_are_no_json_are_refused(book: rollbook.Rollbook, body: bytes) -> None:
    with pytest.raises(InvalidInput, match="not JSON"):
        book.append("s", "x", entries=[body])
    with pytest.raises(InvalidInput, match="not JSON"):
        book.set_state("s", values={"k": body})
    assert not book.list().sessions


@pytest.mark.parametrize("body", JSON.values(), ids=JSON)
def test_bytes_of_json_are_kept(opened: Callable[..., rollbook.Rollbook], body: bytes) -> None:
    with opened(redact=False) as book:
        book.append("s", "x", entries=[body])
        book.set_state("s", values={"k": body})
        assert book.entries("s", "x")[0].body == book.get_state("s", "k") == book.all_state("s")["k"]


# how deep values may be within each other

WAYS: Final[dict[str, Callable[[Any], Any]]] = {"lists": lambda value: [value], "objects": lambda value: {"a": value}}


@pytest.mark.parametrize("redact", [True, False], ids=["redacted", "as it is"])
@pytest.mark.parametrize("around", WAYS.values(), ids=WAYS)
def test_values_are_kept_to_a_depth_and_refused_beyond(
    tmp_path: Any, around: Callable[[Any], Any], *, redact: bool
) -> None:
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", redact=redact) as book:
        book.append("s", "x", entries=[nested(500, around)])
        book.add_trace_step("s", origin_function="f", method_params=nested(499, around))
        assert book.entries("s", "x")[0].body == nested(500, around)
        for depth in (501, 900, 5000):
            with pytest.raises(InvalidInput):
                book.append("s", "x", entries=[nested(depth, around)])
            with pytest.raises(InvalidInput):
                book.add_trace_step("s", origin_function="f", method_params=nested(depth, around))
            with pytest.raises(InvalidInput):
                book.set_state("s", values={"k": nested(depth, around)})
        with pytest.raises(InvalidInput, match="nested"):
            book.append("s", "x", entries=[b"[" * 501 + b"]" * 501])


def test_a_value_within_itself_is_refused(book: rollbook.Rollbook) -> None:
    itself: list[Any] = []
    itself += [itself, itself]
    with pytest.raises(InvalidInput):
        book.append("s", "x", entries=[itself])


def test_a_secret_is_found_however_deep(book: rollbook.Rollbook) -> None:
    secret = "sk-proj-" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5bC7d"
    clean, tuples = {"deep": [[{"a": ["x", 1]}]]}, ({"b": (secret, 1)},)
    book.append("s", "x", entries=[{"clean": clean, "tuples": tuples, "password": "hunter2hunter2"}])
    assert book.entries("s", "x")[0].body == {
        "clean": clean, "tuples": [{"b": ["[redacted:openai-key]", 1]}], "password": "[redacted:password]",
    }  # fmt: skip
