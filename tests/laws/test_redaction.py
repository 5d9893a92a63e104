"""Redaction runs at the book's door: for every writer, and for every field that holds a text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

import rollbook
from rollbook.errors import InvalidInput
from rollbook.inbox import Checked
from rollbook.ledger.ops import End, Facts, Touch
from rollbook.settings import LOCAL_USER

from .histories import tables
from .tools import NOW

SECRET: Final = "hunter2quetzal"
SAID: Final = f"log in with password={SECRET} now"
KEPT: Final = "log in with password=[redacted:password] now"
FACTS: Final[dict[str, Any]] = {
    "title": SAID, "goal_text": SAID, "actor": SAID, "tags": [SAID, "plain"],
    "metadata": {"a": [SAID], "password": SECRET},
}  # fmt: skip


def opened(**more: Any) -> rollbook.Rollbook:
    return rollbook.open("sqlite:///:memory:", **more)


def holds(book: rollbook.Rollbook, mark: str = SECRET) -> bool:
    """Whether a word is anywhere in the book."""
    return mark in str(tables(book))


def _touched(book: rollbook.Rollbook) -> None:
    book.touch("s", **FACTS)
    shown = book.get("s")
    assert (shown.title, shown.goal_text, shown.actor) == (KEPT, KEPT, KEPT)
    assert shown.tags == (KEPT, "plain")
    assert shown.metadata == {"a": [KEPT], "password": "[redacted:password]"}


def _ended(book: rollbook.Rollbook) -> None:
    book.touch("s")
    assert book.end("s", "failed", reason=SAID).end_reason == KEPT


def _marked(book: rollbook.Rollbook) -> None:
    book.touch("s")
    assert book.mark_unknown("s", reason=SAID).end_reason == KEPT


def _upserted(book: rollbook.Rollbook) -> None:
    assert book.upsert({"session_id": "s", "tokens_in": 5, **FACTS}).title == KEPT


def _handed_over(book: rollbook.Rollbook) -> None:
    touch = Touch(user_id=LOCAL_USER, session_id="s", at=NOW, facts=Facts(title=SAID, metadata='{"a":"' + SAID + '"}'))
    end = End(user_id=LOCAL_USER, session_id="s", status="failed", at=NOW, reason=SAID)
    assert book.ingest([touch, end]) == [None, None]
    other = Touch(user_id=LOCAL_USER, session_id="t", at=NOW, facts=Facts(goal_text=SAID))
    assert book.ingest(Checked([other])) == [None]
    assert (book.get("s").title, book.get("s").end_reason, book.get("t").goal_text) == (KEPT, KEPT, KEPT)


def _answered(book: rollbook.Rollbook) -> None:
    book.add_qa("s", question=SAID, answer=SAID, context=SAID, feedback_text=SAID, qa_id="q",
                used_graph_element_ids={"node_ids": [SAID]})  # fmt: skip
    assert book.get_qa("s", "q").question == KEPT
    book.add_qa("s", question="", answer="", qa_id="p")
    book.update_qa("s", "p", question=SAID, context=SAID)
    book.add_feedback("s", "p", text=SAID)
    assert (book.get_qa("s", "p").context, book.get_qa("s", "p").feedback_text) == (KEPT, KEPT)
    assert len(book.search("redacted")) == 2
    assert book.search(SECRET) == []


def _traced(book: rollbook.Rollbook) -> None:
    book.add_trace_step(
        "s", origin_function=SAID, memory_query=SAID, memory_context=SAID, method_params={"password": SECRET},
        method_return_value=[SAID], error_message=SAID, session_feedback=SAID, tool_name=SAID, error=SAID,
    )  # fmt: skip
    (step,) = book.trace("s")
    assert (step.method_params, step.method_return_value) == ({"password": "[redacted:password]"}, [KEPT])
    assert book.search(SECRET) == []


def _written(book: rollbook.Rollbook) -> None:
    book.add_message("s", role="user", content=SAID)
    body = ('{"text": "' + SAID + '", "n": 1.50}').encode()
    book.append(
        "s", "x", entries=[{"deep": [{"text": SAID}]}, body], ids=["a", "b"], state={"k": SAID}, user_state={"u": SAID}
    )
    book.replace_entry("s", "x", "a", body={"text": SAID})
    book.patch_entry("s", "x", "b", fields={"password": SECRET, "more": SAID})
    book.set_state("s", values={"v": [SAID], "api_key": "0123456789abcdef"})
    book.set_state(None, values={"v": SAID})
    book.set_graph_context("s", SAID)
    assert book.entry("s", "x", "a").body == {"text": KEPT}
    assert book.entry("s", "x", "b").body["more"] == KEPT
    assert book.get_state("s", "v") == [KEPT]


@pytest.mark.parametrize(
    "writes",
    [_touched, _ended, _marked, _upserted, _handed_over, _answered, _traced, _written],
    ids=lambda one: one.__name__,
)
def test_no_writer_keeps_a_secret(writes: Callable[[rollbook.Rollbook], None]) -> None:
    with opened() as book:
        writes(book)
        assert not holds(book)
        assert book.verify().ok


def test_the_name_of_a_field_tells_of_a_secret_in_what_is_patched_and_set() -> None:
    with opened() as book:
        book.append("s", "x", entries=[{}], ids=["a"], state={"password": SECRET})
        book.patch_entry("s", "x", "a", fields={"password": SECRET})
        book.set_state("s", values={"client_secret": SECRET})
        assert book.entry("s", "x", "a").body == {"password": "[redacted:password]"}
        assert book.all_state("s") == {"password": "[redacted:password]", "client_secret": "[redacted:secret]"}


def test_names_and_ids_are_no_texts() -> None:
    with opened() as book:
        name = f"password={SECRET}"
        book.touch(name, agent=name, project=name)
        book.record_usage(name, model=name, provider=name, usage_id=name, tokens_in=1)
        shown = book.get(name)
        assert (shown.session_id, shown.agent, shown.project, shown.last_model) == (name,) * 4


def test_what_is_clean_is_kept_byte_for_byte() -> None:
    body = b'{"b": 1.50, "a": [1e3, "x"], "big": 123456789012345678901234567890}'
    with opened() as book:
        book.append("s", "x", entries=[body], ids=["a"])
        with book._plans.store.read() as tx:
            assert tx.raw.execute("select body from entry").fetchall() == [(body.decode(),)]  # type: ignore[attr-defined]


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(redact=False) as book:
        assert book.touch("s", title=SAID).title == SAID
    monkeypatch.setenv("ROLLBOOK_REDACT", "off")
    with opened() as book:
        assert book.touch("s", title=SAID).title == SAID
    with opened(redact=rollbook.redact) as book:  # what is said in the program comes first
        assert book.touch("s", title=SAID).title == KEPT


def test_a_function_of_ones_own_gets_every_text() -> None:
    seen: list[str] = []

    def own(text: str) -> str:
        seen.append(text)
        return rollbook.redact(text).replace("Alice", "[name]")

    with opened(redact=own) as book:
        book.touch("s", title="Alice asks", goal_text=SAID, tags=["Alice"], metadata={"by": "Alice"}, actor="Alice")
        book.end("s", "failed", reason="Alice stopped it")
        book.add_qa("s", question="Alice?", answer=SAID)
        assert not holds(book, "Alice")
        assert not holds(book)
        assert book.get("s").metadata == {"by": "[name]"}
    assert {"Alice asks", SAID, "Alice", "Alice stopped it", "Alice?"} <= set(seen)


@pytest.mark.parametrize("said", [None, 5, "NUL \x00", "\ud800"])
def test_a_function_that_fails_stores_nothing(said: Any) -> None:
    def own(text: str) -> Any:
        if said == 5:
            raise KeyError(text)
        return said

    with opened(redact=own) as book:
        was = tables(book)
        writes: tuple[Callable[[], object], ...] = (
            lambda: book.touch("s", title=SAID),
            lambda: book.end("s", "failed", reason=SAID, at=NOW / 1e6),
            lambda: book.upsert({"session_id": "s", "title": SAID}),
        )
        for write in writes:
            with pytest.raises(InvalidInput) as caught:
                write()
            assert SECRET not in str(caught.value)
        if said != "NUL \x00":  # which a text of an entry may hold
            with pytest.raises(InvalidInput):
                book.add_qa("s", question=SAID, answer="")
        assert tables(book) == was
        touch = Touch(user_id=LOCAL_USER, session_id="s", at=NOW, facts=Facts(title=SAID))
        plain = Touch(user_id=LOCAL_USER, session_id="t", at=NOW)
        refused, taken = book.ingest([touch, plain])
        assert isinstance(refused, InvalidInput)
        assert taken is None
        assert [one.session_id for one in book.iterate()] == ["t"]


def test_a_title_that_grows_is_cut() -> None:
    title = "é" * 503 + " pwd=hunter2"
    with opened() as book:
        kept = book.touch("s", title=title).title
        assert kept == ("é" * 503 + " pwd=[redacted:password]").encode()[:1024].decode()
        assert len(kept) < 503 + 24


def test_contents_in_files_hold_no_secret(tmp_path: Path) -> None:
    with rollbook.open(tmp_path / "book.db", journal=(tmp_path / "journals").as_uri()) as book:
        book.add_qa("s", question=SAID, answer="")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in path.read_bytes() for path in files)
    assert any(b"[redacted:password]" in path.read_bytes() for path in files)
