"""The parser on its own: what it makes of single lines, and that nothing makes it fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollbook.importers import claude_lines as lines
from rollbook.importers.base import Context, Item
from rollbook.importers.claude_fold import Transcript, load
from rollbook.importers.lines import one_line
from rollbook.ledger.ops import Call, End, Mark, Touch
from rollbook.model import Tokens

TRAPS = Path(__file__).parents[1] / "data" / "traps" / "claude-code"
REAL = [line for path in sorted(TRAPS.rglob("*.jsonl")) for line in path.read_bytes().splitlines(keepends=True)]
NOW = 1_780_000_000_000_000


class Cents(msgspec.Struct, frozen=True):
    """A price that tells the terms it was asked under."""

    cost_nano: int
    version: str


def flat(model: str | None, provider: str | None, tokens: Tokens, at: int, *, tier: str = "standard") -> Cents | None:
    """Ten nano-dollars a token, whatever the model; the version is the tier."""
    return Cents(10 * tokens.total, tier) if model else None


def transcript(state: bytes = b"", path: str = "/p/s.jsonl", now: int = NOW) -> Transcript:
    return Transcript(path, state, Context(user_id="u", now=now, price=flat))


def parse(*given: dict[str, Any], path: str = "/p/s.jsonl", now: int = NOW) -> list[Item]:
    parser = transcript(path=path, now=now)
    parser.feed(b"".join(json.dumps(line).encode() + b"\n" for line in given))
    assert parser.skipped == 0
    return parser.drain(last=True)


def answer(**more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 3, "output_tokens": 4, **more.pop("usage", {})}
    message = {
        "id": "msg_01a",
        "model": "claude-x",
        "stop_reason": "tool_use",
        "usage": usage,
        **more.pop("message", {}),
    }
    line = {"type": "assistant", "sessionId": "s", "timestamp": "2026-01-01T00:00:00Z", "requestId": "req_01a"}
    return {**line, "message": message, **more}


def prompt(content: Any, **more: Any) -> dict[str, Any]:
    line = {"type": "user", "sessionId": "s", "timestamp": "2026-01-01T00:00:00Z", "message": {"content": content}}
    return {**line, **more}


def calls(items: list[Item]) -> list[Call]:
    return [item for item in items if isinstance(item, Call)]


def titles(items: list[Item]) -> list[str]:
    return [item.facts.title for item in items if isinstance(item, Touch) and item.facts.title]


@given(st.lists(st.binary(max_size=80)))
def test_arbitrary_bytes_never_raise(chunks: list[bytes]) -> None:
    parser = transcript()
    for chunk in chunks:
        parser.feed(chunk.replace(b"\n", b" ") + b"\n")
        parser.feed_tail(chunk)
    assert parser.drain(last=True) == []
    load(parser.state())


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_damaged_lines_never_raise_and_each_is_counted_at_most_once(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(REAL), min_size=1, max_size=6))
    block = bytearray(b"".join(line.rstrip(b"\n") + b"\n" for line in chosen))
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, len(block) - 1), st.integers(0, 255)), max_size=12)):
        block[place] = byte
    parser = transcript()
    parser.feed(bytes(block) + b"\n")
    items = parser.drain(last=True)
    assert parser.skipped <= bytes(block).count(b"\n") + 1
    assert all(item.tokens.total > 0 for item in calls(items))
    again = transcript(parser.state())
    assert again.drain(last=True) == []


@given(st.lists(st.sampled_from([b'{"type":"a"}', b"{}", b" ", b"", b"[", b"7", b'{"type":', b'"a"}'])))
def test_a_block_decodes_as_its_lines_do(parts: list[bytes]) -> None:
    block = b"".join(part + b"\n" for part in parts)
    together, skipped = lines.LINES.block(block)
    apart = [lines.LINES.one(part) for part in parts if part.strip()]
    assert [line.type for line in together] == [line.type for line in apart if line is not None]
    assert skipped == apart.count(None)


@given(st.sampled_from(REAL), st.data())
def test_a_part_of_a_line_is_never_a_line(line: bytes, data: st.DataObject) -> None:
    whole = line.strip()
    if whole.startswith(b"{") and len(whole) > 1:
        assert lines.LINES.one(whole[: data.draw(st.integers(1, len(whole) - 1))]) is None


@given(st.text(), st.integers(1, 50))
def test_a_title_is_one_line_of_limited_size(text: str, most: int) -> None:
    title = one_line(text, most)
    assert title is None or (0 < len(title.encode()) <= most and "\n" not in title and title == title.strip())


def test_tokens_map_to_disjoint_kinds() -> None:
    used = {
        "cache_read_input_tokens": 50,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
    }
    (call,) = calls(parse(answer(usage=used)))
    assert call.tokens == Tokens(input=3, output=4, cache_read=50, cache_write=10, cache_write_1h=20)
    assert (call.usage_id, call.aliases) == (
        "anthropic:msg:msg_01a",
        ("anthropic:req:req_01a",),
    )
    assert (call.model, call.provider, call.cost_nano, call.cost_source) == ("claude-x", "anthropic", 870, "computed")


@pytest.mark.parametrize(
    ("usage", "tier"),
    [
        ({"service_tier": "standard"}, "standard"),
        ({"service_tier": "batch"}, "batch"),
        ({"service_tier": "priority"}, "priority"),
        ({"service_tier": "standard", "speed": "fast"}, "fast"),
        ({"service_tier": "of tomorrow"}, "standard"),
    ],
)
def test_the_price_is_asked_for_under_the_terms_of_the_call(usage: dict[str, str], tier: str) -> None:
    (call,) = calls(parse(answer(usage=usage)))
    assert call.price_version == tier


def test_a_reported_cost_is_believed_and_a_zero_is_no_price() -> None:
    (told,) = calls(parse(answer(costUSD=0.25)))
    assert (told.cost_nano, told.cost_source, told.price_version) == (250_000_000, "reported", None)
    (zero,) = calls(parse(answer(costUSD=0)))
    assert (zero.cost_nano, zero.cost_source) == (70, "computed")


def test_another_provider_model_is_not_called_anthropics() -> None:
    (call,) = calls(parse(answer(message={"model": "kimi-k2"})))
    assert call.provider is None
    (nameless,) = calls(parse(answer(message={"model": None})))
    assert (nameless.provider, nameless.cost_nano, nameless.cost_source) == ("anthropic", None, "unpriced")


def test_an_error_with_real_usage_is_an_errored_call() -> None:
    (call,) = calls(parse(answer(isApiErrorMessage=True)))
    assert call.errored


def test_times_ahead_of_the_clock_are_taken_as_now_and_flagged() -> None:
    now = 1_767_225_000_000_000
    items = parse(answer(), now=now)
    assert {getattr(item, "at", None) or getattr(item, "occurred_at", None) for item in items} == {now}
    assert all(item.flagged for item in items if not isinstance(item, Mark))


def test_lines_without_a_type_are_read_for_their_usage() -> None:
    line = answer()
    del line["type"]
    assert len(calls(parse(line))) == 1


@pytest.mark.parametrize(
    ("path", "session", "parent"),
    [
        ("/p/-home/abc.jsonl", "abc", None),
        ("/p/-home/abc/subagents/agent-7.jsonl", "abc/agent-7", "abc"),
        ("/p/-home/abc/subagents/flow/agent-7.jsonl", "abc/agent-7", "abc"),
        ("/p/-home/agent-7.jsonl", "agent-7/agent-7", "agent-7"),
    ],
)
def test_a_line_without_a_session_id_is_the_files(path: str, session: str, parent: str | None) -> None:
    line = answer()
    del line["sessionId"]
    items = parse(line, path=path)
    assert {item.session_id for item in items} == {session}
    assert {item.facts.parent_id for item in items if isinstance(item, Touch)} == {parent}


@pytest.mark.parametrize("session", ["a\nb", "x" * 600, "\x1b[31m"])
def test_a_session_id_that_no_book_takes_makes_a_line_that_is_not_understood(session: str) -> None:
    parser = transcript()
    parser.feed(json.dumps(answer(sessionId=session)).encode() + b"\n")
    assert (parser.skipped, parser.drain(last=True)) == (1, [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Fix it", lines.Said(prompt=True, text="Fix it")),
        ([{"type": "text", "text": "Fix it"}], lines.Said(prompt=True, text="Fix it")),
        ([{"type": "image"}, {"type": "text", "text": "See"}], lines.Said(prompt=True, text="See")),
        ([{"type": "image"}], lines.Said(prompt=True)),
        (
            [{"type": "text", "text": "<system-reminder>x"}, {"type": "text", "text": "Go"}],
            lines.Said(prompt=True, text="Go"),
        ),
        ([{"type": "tool_result", "content": "x"}], lines.Said(answered=True)),
        ([{"type": "text", "text": "x" * 600}, {"type": "tool_result"}], lines.Said(answered=True)),
        ("[Request interrupted by user]", lines.Said(interrupted=True)),
        ("<command-name>/clear</command-name>", lines.Said()),
        ("", lines.Said()),
        (None, lines.Said()),
        ({"odd": 1}, lines.Said()),
        ('say "type":"tool_result" aloud', lines.Said(prompt=True, text='say "type":"tool_result" aloud')),
    ],
)
def test_what_a_users_line_says(content: Any, said: lines.Said) -> None:
    assert lines.user_said(msgspec.Raw(json.dumps(content, separators=(",", ":")).encode())) == said


def test_a_long_prompt_is_cut_to_a_title() -> None:
    (title,) = titles(parse(prompt("é" * 2000)))
    assert title == "é" * 512


def test_within_a_file_everything_is_handed_over_and_a_later_record_comes_under_the_same_name() -> None:
    parser = transcript()
    parser.feed(json.dumps(answer()).encode() + b"\n")
    (first,) = calls(parser.drain(last=False))
    parser.feed(json.dumps(answer(usage={"output_tokens": 40})).encode() + b"\n")
    (second,) = calls(parser.drain(last=True))
    assert second.tokens.output == 40
    assert second.usage_id == first.usage_id


def test_r2_an_end_is_soft_and_waits_for_silence() -> None:
    line = answer(message={"stop_reason": "end_turn"})
    at = 1_767_225_600_000_000
    assert not [item for item in parse(line, now=at + 1_800_000_000 - 1) if isinstance(item, End)]
    (end,) = [item for item in parse(line, now=at + 1_800_000_000) if isinstance(item, End)]
    assert (end.status, end.at, end.soft, end.decided_by) == ("completed", at, True, "importer")


@pytest.mark.parametrize(
    ("stop", "content", "status"),
    [
        ("end_turn", [], "completed"),
        ("stop_sequence", [], "completed"),
        ("refusal", [], "failed"),
        ("max_tokens", [], None),
        ("tool_use", [], None),
        (None, [{"type": "text", "text": "Done."}], "completed"),
        (None, [{"type": "text", "text": "Let me see."}, {"type": "tool_use", "name": "Read"}], None),
        (None, [{"type": "thinking"}], None),
        (None, "Done.", "completed"),
    ],
)
def test_r2_what_the_last_answer_says_of_the_end(stop: str | None, content: Any, status: str | None) -> None:
    items = parse(answer(message={"stop_reason": stop, "content": content}))
    assert [item.status for item in items if isinstance(item, End)] == ([status] if status else [])
