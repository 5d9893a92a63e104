"""Codex's parser on its own: what it makes of single lines, and that nothing makes it fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollbook.importers import codex_lines as lines
from rollbook.importers.base import Context, Item
from rollbook.importers.codex_calls import model_of
from rollbook.importers.codex_fold import Transcript, load
from rollbook.importers.codex_lineage import began_at
from rollbook.ledger.ops import Call, End, Touch
from rollbook.model import Tokens

TRAPS = Path(__file__).parents[1] / "data" / "traps" / "codex"
REAL = [line for path in sorted(TRAPS.rglob("*.jsonl")) for line in path.read_bytes().splitlines(keepends=True)]
NOW = 1_780_000_000_000_000
OWN = "019cadfd-8900-7aaa-8aaa-aaaaaaaaaaaa"  #: made on 2 March 2026 at 10:00:00
LATER = "019cae06-b0c0-7bbb-8bbb-bbbbbbbbbbbb"  #: ten minutes later


class Cents(msgspec.Struct, frozen=True):
    """A price that tells the terms it was asked under."""

    cost_nano: int
    version: str


def flat(model: str | None, provider: str | None, tokens: Tokens, at: int, *, tier: str = "standard") -> Cents | None:
    """Ten nano-dollars a token, whatever the model; the version is the tier."""
    return Cents(10 * tokens.total, tier) if model else None


def transcript(state: bytes = b"", now: int = NOW) -> Transcript:
    return Transcript(f"/s/rollout-2026-03-02T10-00-00-{OWN}.jsonl", state, Context(user_id="u", now=now, price=flat))


def record(at: str, kind: str, payload: Any, **more: Any) -> dict[str, Any]:
    return {"timestamp": f"2026-03-02T{at}Z", "type": kind, "payload": payload, **more}


def event(at: str, kind: str, **more: Any) -> dict[str, Any]:
    return record(at, "event_msg", {"type": kind, **more})


def meta(at: str = "10:00:00.100", **more: Any) -> dict[str, Any]:
    return record(at, "session_meta", {"id": OWN, "cwd": "/src", "source": "cli", **more})


def usage(took: int, cached: int = 0, gave: int = 0, reasoning: int = 0, **more: int) -> dict[str, int]:
    return {
        "input_tokens": took,
        "cached_input_tokens": cached,
        "output_tokens": gave,
        "reasoning_output_tokens": reasoning,
        **more,
    }


def count(at: str, total: dict[str, int] | None, last: dict[str, int] | None = None, **info: Any) -> dict[str, Any]:
    return event(at, "token_count", info={"total_token_usage": total, "last_token_usage": last, **info})


def response(at: str, name: str, used: dict[str, int], **more: Any) -> dict[str, Any]:
    return record(at, "token_usage_record", {"response_id": name, "usage": used, **more})


def text(given: tuple[dict[str, Any], ...]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in given)


def parse(*given: dict[str, Any], now: int = NOW) -> list[Item]:
    parser = transcript(now=now)
    parser.feed(text(given))
    assert parser.skipped == 0
    return parser.drain(last=True)


def calls(*given: dict[str, Any]) -> list[Call]:
    return [item for item in parse(*given) if isinstance(item, Call)]


def skipped(*given: dict[str, Any]) -> int:
    parser = transcript()
    parser.feed(text(given))
    return parser.skipped


# calls


def test_a_usage_comes_in_disjoint_kinds_whatever_it_claims() -> None:
    (call,) = calls(meta(), count("10:00:05", usage(100, 250, 40, 90, cache_write_input_tokens=60)))
    assert call.tokens == Tokens(cache_read=100, reasoning=40)


def test_a_call_is_named_by_its_session_its_turn_and_its_counter() -> None:
    turn = event("10:00:01", "task_started", turn_id=LATER)
    (call,) = calls(meta(), turn, count("10:00:05", usage(100, 20, 30, 10, total_tokens=131)))
    assert (call.usage_id, call.aliases) == (
        f"codex:{OWN}:100.20.0.30.10.131",
        (f"codex:turn:{LATER}:100.20.0.30.10.131",),
    )


def test_calls_after_a_reset_have_other_names() -> None:
    turns = [event(f"10:0{n}:01", "task_started", turn_id=turn) for n, turn in enumerate((LATER, OWN))]
    first, again = count("10:00:05", usage(50), usage(50)), count("10:00:09", usage(70), usage(20))
    found = calls(meta(), turns[0], first, again, first, turns[1], again)
    assert [(call.usage_id.split(":", 2)[2], *(alias[48:] for alias in call.aliases)) for call in found] == [
        ("50.0.0.0.0.50", "50.0.0.0.0.50"),
        ("70.0.0.0.0.70", "70.0.0.0.0.70"),
        ("50.0.0.0.0.50:1", "50.0.0.0.0.50:1"),
        ("70.0.0.0.0.70:1", "70.0.0.0.0.70"),
    ]


def test_r15_an_inherited_counter_may_have_begun_anew_in_the_ancestor() -> None:
    (call,) = calls(meta(forked_from_id=LATER), count("10:00:05", usage(70), usage(20)))
    assert call.aliases == tuple(f"codex:{LATER}:70.0.0.0.0.70{nth}" for nth in ("", ":1", ":2"))


def test_a_turn_that_is_only_numbered_names_nothing() -> None:
    (call,) = calls(meta(), event("10:00:01", "task_started", turn_id="1"), count("10:00:05", usage(100)))
    assert call.aliases == ()


# responses


def test_r15_a_response_and_the_counter_after_it_are_one_call() -> None:
    (call,) = calls(meta(), response("10:00:04", "resp_1", usage(100)), count("10:00:05", usage(100)))
    assert (call.usage_id, call.aliases) == ("openai:response:resp_1", (f"codex:{OWN}:100.0.0.0.0.100",))
    assert call.occurred_at == 1_772_445_604_000_000


def test_r15_a_response_that_was_handed_over_is_said_again_under_both_names() -> None:
    first = transcript()
    first.feed(text((meta(), response("10:00:04", "resp_1", usage(100)))))
    (early,) = [item for item in first.drain(last=True) if isinstance(item, Call)]
    second = transcript(first.state())
    second.feed(text((count("10:00:05", usage(100)),)))
    (late,) = [item for item in second.drain(last=True) if isinstance(item, Call)]
    assert (early.aliases, late.aliases) == ((), (f"codex:{OWN}:100.0.0.0.0.100",))
    assert msgspec.structs.replace(late, aliases=()) == early


def test_the_counter_tells_of_a_response_whose_record_was_lost() -> None:
    found = calls(meta(), response("10:00:04", "resp_2", usage(100, 0, 10)), count("10:00:05", usage(170, 0, 12)))
    assert [(call.tokens.input, call.tokens.output) for call in found] == [(100, 10), (70, 2)]


def test_responses_that_the_counter_sums_up_are_not_counted_again() -> None:
    two = [response(f"10:00:0{n}", f"resp_{n}", usage(100 * n)) for n in (1, 2)]
    assert [call.tokens.input for call in calls(meta(), *two, count("10:00:05", usage(300)))] == [100, 200]


def test_a_response_without_a_name_of_the_providers_is_the_sessions() -> None:
    (call,) = calls(meta(), response("10:00:04", "1", usage(100), thread_id=OWN))
    assert call.usage_id == f"codex:{OWN}:1"


def test_a_response_without_usage_or_name_is_no_call() -> None:
    nothing = [
        response("10:00:04", name, used) for name, used in (("resp_1", usage(0)), ("", usage(5)), ("resp_2", {}))
    ]
    nothing.append(record("10:00:04", "token_usage_record", {"response_id": "resp_3", "usage": None}))
    assert calls(meta(), *nothing) == []


def test_r15_a_copied_response_is_of_the_session_that_it_names() -> None:
    found = calls(meta(forked_from_id=LATER), response("10:00:00.2", "resp_1", usage(100), thread_id=LATER))
    assert [(call.session_id, call.weight < 2) for call in found] == [(LATER, True)]
    (stray,) = calls(meta(), response("10:00:04", "resp_1", usage(100), thread_id=LATER))
    assert stray.session_id == LATER


# lineage


def test_ids_tell_when_they_were_made() -> None:
    assert began_at(OWN) == 1_772_445_600_000_000
    assert began_at("019cadec-9900-4aaa-8aaa-aaaaaaaaaaaa") == 0
    assert began_at("0000000a-0000-7000-8000-000000000000") == 0
    assert began_at("not-hexa-9900-7aaa-8aaa-aaaaaaaaaaaa") == 0
    assert began_at(None) == 0


def test_numbers_of_lines_come_before_everything_else() -> None:
    first = meta(forked_from_id="old", subagent_history_start_ordinal=9)
    copied = count("10:30:00", usage(100)) | {"ordinal": 8}
    own = count("10:30:00.001", usage(150)) | {"ordinal": 9}
    assert [(call.session_id, call.tokens.input) for call in calls(first, copied, own)] == [("old", 100), (OWN, 50)]


def test_a_session_that_names_itself_as_its_parent_has_none() -> None:
    found = parse(meta(forked_from_id=OWN, parent_thread_id=OWN), count("10:00:00.2", usage(100)))
    assert {item.session_id for item in found} == {OWN}
    assert all(item.facts.parent_id is None for item in found if isinstance(item, Touch))


def test_very_long_lineages_are_cut() -> None:
    copied = [
        record("10:00:00.2", "session_meta", {"id": f"old-{n}", "forked_from_id": f"old-{n + 1}"}) for n in range(40)
    ]
    (call,) = calls(meta(forked_from_id="old-0"), *copied, count("10:00:00.3", usage(100)))
    assert len(call.aliases) < 16


# terms


@pytest.mark.parametrize(
    ("model", "at", "found"),
    [
        (None, 0, ("gpt-5", True)),
        ("gpt-5.4", 0, ("gpt-5.4", False)),
        ("codex-auto-review", 1_772_668_799_999_999, ("gpt-5", True)),
        ("codex-auto-review", 1_772_668_800_000_000, ("gpt-5.4", True)),
        ("codex-auto-review", 1_785_369_600_000_000, ("gpt-5.6-luna", True)),
    ],
)
def test_which_model_it_was(model: str | None, at: int, found: tuple[str, bool]) -> None:
    assert model_of(model, at) == found


def test_the_counter_may_name_its_model() -> None:
    found = calls(meta(), count("10:00:05", usage(100), model="gpt-5-codex"), count("10:00:06", usage(200)))
    assert [call.model for call in found] == ["gpt-5-codex", "gpt-5-codex"]


@pytest.mark.parametrize(
    ("tier", "billed"),
    [("priority", "priority"), ("fast", "priority"), ("flex", "flex"), ("default", "standard"), ("new", "standard")],
)
def test_terms(tier: str, billed: str) -> None:
    first, second = calls(
        meta(model_provider="azure"),
        record("10:00:01", "turn_context", {"model": "gpt-5.2", "service_tier": "flex"}),
        count("10:00:05", usage(100)),
        event("10:00:06", "thread_settings_applied", thread_settings={"service_tier": tier}),
        count("10:00:07", usage(200)),
    )
    assert (first.tier, first.provider, first.price_version) == ("flex", "azure", "flex")
    assert second.tier == billed


# words


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("Fix it", "Fix it"),
        ("  <question>Why?</question>", "<question>Why?</question>"),
        ("<environment_context>\n</environment_context>", None),
        ("# AGENTS.md instructions for /src", None),
        ("# Context\n## My request for Codex:\nFix it\n", "Fix it"),
        ("", ""),
    ],
)
def test_what_the_user_asked(given: str, asked: str | None) -> None:
    assert lines.asked(given) == asked


def turns_and_title(*given: dict[str, Any]) -> tuple[int, str | None]:
    touches = [item for item in parse(*given) if isinstance(item, Touch)]
    titles = [touch.facts.title for touch in touches if touch.facts.title]
    return max(touch.turns or 0 for touch in touches), titles[-1] if titles else None


def test_a_picture_is_a_turn_without_a_title() -> None:
    assert turns_and_title(meta(), event("10:00:01", "user_message", message="", images=["data:"])) == (1, None)


def test_messages_are_items_where_a_history_is_paged() -> None:
    item = {"type": "UserMessage", "content": [{"type": "image"}, {"type": "text", "text": "Look at this"}]}
    other = {"type": "AgentMessage", "content": [{"type": "Text", "text": "Yes"}]}
    told = [event("10:00:01", "item_completed", item=one) for one in (item, other)]
    assert turns_and_title(meta(history_mode="paginated"), *told) == (1, "Look at this")
    assert turns_and_title(meta(), *told) == (0, None), "where it is not, messages are events, and items repeat them"


# ends


def end_of(*given: dict[str, Any]) -> tuple[str, str | None] | None:
    ends = [item for item in parse(meta(), *given) if isinstance(item, End)]
    return (ends[0].status, ends[0].reason) if ends else None


STARTED = event("10:00:01", "task_started", turn_id="1")
DONE = event("10:00:09", "task_complete", turn_id="1")


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ([STARTED, DONE], ("completed", None)),
        ([STARTED, event("10:00:05", "turn_complete")], ("completed", None)),
        ([STARTED, event("10:00:05", "turn_aborted", reason="interrupted")], ("cancelled", "interrupted by the user")),
        ([STARTED, event("10:00:05", "turn_aborted", reason="review_ended")], ("completed", None)),
        ([STARTED, event("10:00:05", "turn_aborted", reason="budget_limited")], ("failed", "budget_limited")),
        ([STARTED, event("10:00:05", "turn_aborted", reason="replaced")], None),
        ([STARTED, event("10:00:05", "turn_aborted", reason=7)], None),
        ([STARTED, event("10:00:05", "error", message="No\nmore")], ("failed", "No more")),
        ([STARTED, event("10:00:05", "error"), DONE], ("failed", "an error")),
        ([event("10:00:05", "agent_message", message="Done.")], ("completed", None)),
        ([STARTED, event("10:00:05", "agent_message", message="Soon.")], None),
        ([DONE, event("10:00:10", "user_message", message="More")], None),
        ([DONE, event("10:00:10", "token_count", info=None)], ("completed", None)),
    ],
)
def test_r2_what_the_last_lines_say(given: list[dict[str, Any]], end: tuple[str, str | None] | None) -> None:
    assert end_of(*given) == end


def test_r2_an_end_waits_for_half_an_hour_of_silence() -> None:
    at = 1_772_445_609_000_000
    assert not [item for item in parse(meta(), DONE, now=at + 1_800_000_000 - 1) if isinstance(item, End)]
    (end,) = [item for item in parse(meta(), DONE, now=at + 1_800_000_000) if isinstance(item, End)]
    assert (end.at, end.soft, end.decided_by) == (at, True, "importer")


# whatever comes


@pytest.mark.parametrize(
    "line",
    [
        record("10:00:01", "session_meta", [1]),
        record("10:00:01", "turn_context", {"model": 7}),
        record("10:00:01", "event_msg", {"type": "token_count", "info": 7}),
        record("10:00:01", "event_msg", {"type": "token_count", "info": {"last_token_usage": {"input_tokens": 1.5}}}),
        record("10:00:01", "event_msg", {"type": "thread_settings_applied", "thread_settings": "fast"}),
        record("10:00:01", "token_usage_record", {"response_id": 7}),
        record("10:00:01", "event_msg", {"type": "token_count"}) | {"ordinal": "one"},
        {"payload": {"type": "token_count"}},
    ],
)
def test_fields_of_another_shape_make_a_line_that_is_not_understood(line: dict[str, Any]) -> None:
    assert skipped(meta(), line) == 1


@pytest.mark.parametrize(
    "line",
    [
        record("10:00:01", "event_msg", {"type": "user_message", "message": 7}),
        record("10:00:01", "event_msg", {"type": "item_completed", "item": 7}),
        record("10:00:01", "event_msg", {"type": "thread_name_updated", "thread_name": 7}),
        record("10:00:01", "event_msg", 7),
        record("10:00:01", "response_item", None),
        record("10:00:01", "inter_agent_communication", {"content": 7}),
        record("10:00:01", "whatever", {"type": ["x"]}),
        {"record_type": "state"},
    ],
)
def test_what_does_not_matter_may_have_any_shape(line: dict[str, Any]) -> None:
    assert skipped(meta(), line) == 0


def test_a_last_line_without_an_end_is_read_if_it_is_whole() -> None:
    parser = transcript()
    whole = json.dumps(count("10:00:05", usage(100))).encode()
    assert not parser.feed_tail(whole[:-1])
    assert parser.feed_tail(whole)
    assert parser.held == 1


def test_a_state_knows_when_it_is_due() -> None:
    parser = transcript(now=1_772_445_610_000_000)
    parser.feed(text((meta(), DONE)))
    parser.drain(last=True)
    assert load(parser.state()).due == 1_772_445_609_000_000 + 1_800_000_000


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(REAL) | st.binary(max_size=40).map(lambda noise: noise + b"\n"), max_size=12), st.data()
)
def test_nothing_makes_it_fail(given: list[bytes], data: st.DataObject) -> None:
    block = bytearray(b"".join(given))
    for _ in range(data.draw(st.integers(0, 4))):
        if block:
            block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    cut = block.find(b"\n", data.draw(st.integers(0, len(block)))) + 1
    first = transcript()
    first.feed(bytes(block[:cut]))
    items = first.drain(last=True)
    second = transcript(first.state())
    second.feed(bytes(block[cut:]))
    items += second.drain(last=True)
    assert all(isinstance(item, Touch | Call | End) for item in items)
