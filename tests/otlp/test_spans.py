"""What spans by the common conventions come to: calls, steps, messages, and whose they are."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

import rollbook
from otlp.spans_of import SPAN, TRACE, T, messages, record, steps, told
from rollbook.errors import InvalidInput
from rollbook.model import Evidence, Tokens
from rollbook.otlp import mapping, reading, spans
from rollbook.otlp.emitters import EMITTERS
from rollbook.otlp.emitters.shape import CALL, EMBEDDING, OTHER, TOOL
from rollbook.otlp.records import EventRecord, Resource
from rollbook.telemetry import names

# The conventions


def test_the_newest_conventions() -> None:
    found = told(
        "chat gpt-5",
        attributes={
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5",
            "gen_ai.response.model": "gpt-5-2025-08-07", "gen_ai.response.id": "resp_1",
            "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100,
            "gen_ai.usage.cache_read.input_tokens": 300, "gen_ai.usage.cache_creation.input_tokens": 200,
            "gen_ai.usage.reasoning.output_tokens": 60, "gen_ai.usage.audio.input_tokens": 50,
            "gen_ai.conversation.id": "c1", "gen_ai.agent.name": "helper", "user.id": "u1",
        },
    )  # fmt: skip
    assert found.sure
    assert found.session_id == "c1"
    assert (found.facts.agent, found.facts.actor) == ("helper", "u1")
    call = found.call
    assert call is not None
    assert call.tokens == Tokens(input=450, cache_read=300, cache_write=200, audio_in=50, output=40, reasoning=60), (
        "disjoint kinds, where the convention has sums"
    )
    assert (call.model, call.provider, call.usage_id) == ("gpt-5-2025-08-07", "openai", "openai:response:resp_1")
    assert (call.evidence, call.occurred_at, call.cost_nano, call.errored) == (
        Evidence.SPAN,
        T + 1_000_000,
        None,
        False,
    )


@pytest.mark.parametrize(
    ("read", "written"),
    [
        ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_write.input_tokens"),
        ("gen_ai.usage.cache_read_input_tokens", "gen_ai.usage.cache_creation_input_tokens"),
        ("gen_ai.usage.cache_read_input_tokens", "gen_ai.usage.cache_write_input_tokens"),
        ("gen_ai.usage.details.cache_read_tokens", "gen_ai.usage.details.cache_write_tokens"),
    ],
)
def test_older_and_newer_names_of_what_was_cached(read: str, written: str) -> None:
    found = told(
        attributes={
            "gen_ai.operation.name": "chat", "gen_ai.system": "anthropic", "gen_ai.usage.prompt_tokens": "100",
            "gen_ai.usage.completion_tokens": "10", read: 30, written: 20,
        }
    )  # fmt: skip
    assert found.call is not None
    assert found.call.tokens == Tokens(input=50, cache_read=30, cache_write=20, output=10)
    assert found.call.usage_id == names.span(TRACE, SPAN)


def test_parts_that_exceed_their_whole_leave_nothing_and_not_less() -> None:
    found = told(
        attributes={
            "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5,
            "gen_ai.usage.cache_read.input_tokens": 30, "gen_ai.usage.reasoning.output_tokens": 9,
        }
    )  # fmt: skip
    assert found.call is not None
    assert found.call.tokens == Tokens(cache_read=30, reasoning=9)


@pytest.mark.parametrize("operation", ["invoke_agent", "invoke_workflow", "create_agent", "plan", "fetch_response"])
def test_what_is_no_inference_never_counts(operation: str) -> None:
    used = {"gen_ai.operation.name": operation, "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
    found = told(attributes=used)
    assert found.call is None
    assert found.ours


def test_usage_without_an_operation_may_be_a_sum() -> None:
    found = told(attributes={"gen_ai.usage.input_tokens": 10, "gen_ai.response.id": "resp_1"})
    assert found.call is not None
    assert not found.sure


def test_sums_and_parts_are_not_read() -> None:
    attributes = {"gen_ai.aggregated_usage.input_tokens": 10, "gen_ai.usage.partial.input_tokens": 7}
    assert told(attributes=attributes).call is None


def test_a_failed_call_counts_as_one_that_failed() -> None:
    found = told(attributes={"gen_ai.operation.name": "chat", "error.type": "timeout"}, failed=True)
    assert found.call is not None
    assert found.call.errored
    assert not found.call.tokens.total
    assert not found.sure, "it may be the failure of one below it"
    assert told(attributes={"gen_ai.operation.name": "chat"}).call is None, "nothing is known to have been used"


@pytest.mark.parametrize(
    ("attribute", "value", "nano"),
    [
        ("operation.cost", 0.25, 250_000_000),
        ("gen_ai.usage.cost", "0.5", 500_000_000),
        ("gen_ai.usage.total_cost", 1, 1_000_000_000),
        ("operation.cost", "NaN", None),
        ("operation.cost", -1, None),
        ("operation.cost", 0, None),
    ],
)
def test_costs_that_an_emitter_reports(attribute: str, value: Any, nano: int | None) -> None:
    found = told(attributes={"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10, attribute: value})
    assert found.call is not None
    assert found.call.cost_nano == nano
    assert found.call.cost_source == ("unpriced" if nano is None else "reported")


def test_a_cost_in_another_currency_is_not_taken_for_dollars() -> None:
    found = told(
        attributes={
            "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.cost.amount": 3,
            "gen_ai.usage.cost.currency": "EUR",
        }
    )  # fmt: skip
    assert found.call is not None
    assert found.call.cost_nano is None


def test_a_tool_becomes_a_step() -> None:
    found = told(
        "execute_tool weather",
        attributes={
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather",
            "gen_ai.tool.call.arguments": '{"city": "Oslo"}', "gen_ai.tool.call.result": "rain",
            "gen_ai.conversation.id": "c1",
        },
    )  # fmt: skip
    (step,) = steps(found)
    assert found.call is None
    assert found.steps[0][1].entry_id == SPAN
    assert step["tool_name"] == step["origin_function"] == "weather"
    assert (step["method_params"], step["method_return_value"]) == ({"city": "Oslo"}, "rain")
    assert (step["started_at"], step["duration_s"], step["span_id"], step["status"]) == (T, 1.0, SPAN, "success")


def test_a_tool_that_failed_says_why() -> None:
    event = EventRecord(name="exception", attributes={"exception.type": "OSError", "exception.message": "no way"})
    found = told(
        attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather"}, failed=True, events=[event]
    )
    (step,) = steps(found)
    assert found.steps[0][1].failed
    assert (step["status"], step["error"], step["error_message"]) == ("error", "OSError", "no way")


def test_mcp_has_sessions_of_its_own() -> None:
    found = told(attributes={"mcp.method.name": "tools/call", "mcp.session.id": "m1", "gen_ai.tool.name": "x"})
    assert found.session_id is None


def test_of_names_for_a_session_the_first_in_a_fixed_order_is_taken_and_the_span_is_asked_before_its_resource() -> None:
    resource = Resource(attributes={"gen_ai.conversation.id": "r", "session.id": "q"})
    attributes = {"gen_ai.operation.name": "chat", "session.id": "s"}
    assert told(attributes=attributes, resource=resource).session_id == "s"
    assert told(attributes={**attributes, "gen_ai.conversation.id": "c"}, resource=resource).session_id == "c"
    assert told(attributes={"gen_ai.operation.name": "chat"}, resource=resource).session_id == "r"


@pytest.mark.parametrize("hidden", ["[Scrubbed due to 'session']", "__REDACTED__", "", "  "])
def test_what_stands_for_something_that_is_not_told_is_no_name(hidden: str) -> None:
    assert told(attributes={"gen_ai.operation.name": "chat", "session.id": hidden}).session_id is None


# Contents


INPUT: Final = [
    {"role": "system", "parts": [{"type": "text", "content": "be brief"}]},
    {"role": "user", "parts": [{"type": "text", "content": "hello"}, {"type": "blob", "content": "AAAA"}]},
]
OUTPUT: Final = [
    {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "hm"},
            {"type": "text", "content": "hi there"},
            {"type": "tool_call", "name": "weather", "arguments": {}},
        ],
    }
]


@pytest.mark.parametrize("encode", [json.dumps, lambda value: value], ids=["JSON", "structured"])
def test_the_newest_message_and_the_answer(encode: Any) -> None:
    attributes = {"gen_ai.input.messages": encode(INPUT), "gen_ai.output.messages": encode(OUTPUT)}
    found = told(attributes={"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 1, **attributes})
    assert messages(found) == [("user", "hello"), ("assistant", "hi there")]
    details = EventRecord(name="gen_ai.client.inference.operation.details", attributes=attributes)
    found = told(attributes={"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 1}, events=[details])
    assert messages(found) == [("user", "hello"), ("assistant", "hi there")]


def test_messages_in_older_events() -> None:
    events = [
        EventRecord(name="gen_ai.system.message", attributes={"content": "be brief"}),
        EventRecord(name="gen_ai.user.message", attributes={"content": "hello"}),
        EventRecord(name="gen_ai.choice", attributes={"index": 0, "message": '{"role":"assistant","content":"hi"}'}),
    ]
    found = told(attributes={"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 1}, events=events)
    assert messages(found) == [("user", "hello"), ("assistant", "hi")]


def test_the_past_of_a_conversation_is_not_told_again() -> None:
    later = [*INPUT, *OUTPUT, {"role": "tool", "parts": [{"type": "tool_call_response", "response": "rain"}]}]
    attributes = {"gen_ai.input.messages": json.dumps(later)}
    assert not messages(told(attributes={"gen_ai.operation.name": "chat", **attributes}))


def test_sets_of_very_many_keys_are_read_and_not_remembered() -> None:
    """Each length of a conversation makes another one: what was remembered of them all would fill the memory."""
    before = len(reading._remembered)
    for count in range(40, 60):
        parts = {
            f"llm.input_messages.{at}.message.{part}": part
            for at in range(count)
            for part in ("role", "content", "name", "tool_call_id")
        }
        found = told(attributes={"openinference.span.kind": "LLM", "llm.token_count.prompt": 7, **parts})
        assert found.call is not None
        assert found.call.tokens.input == 7
    assert len(reading._remembered) <= before + 1  # of the resource


def test_the_same_message_in_two_spans_of_a_trace_is_one_entry_and_the_same_words_later_are_another() -> None:
    def asked(*said: str) -> str:
        attributes = {"gen_ai.input.messages": json.dumps([{"role": "user", "content": one} for one in said])}
        return told(attributes={"gen_ai.operation.name": "chat", **attributes}).steps[0][1].entry_id

    assert asked("yes") == asked("yes")
    assert len({asked("yes"), asked("yes", "yes"), asked("no")}) == 3


def test_contents_that_are_no_messages_say_nothing() -> None:
    for nonsense in ("[1, 2", [1, 2], {"a": {"b": 1}}, 7, b"x", "[" * 5_000):
        found = told(attributes={"gen_ai.operation.name": "chat", "gen_ai.output.messages": nonsense})
        assert all(role == "assistant" for role, _ in messages(found))


@pytest.mark.parametrize(
    "nonsense", ["[" * 900 + "]" * 900, '{"messages":' * 900 + "1" + "}" * 900, '"\\ud800"', "\ud800"],
    ids=["deep list", "deep object", "half a character in JSON", "half a character"],
)  # fmt: skip
def test_contents_that_cannot_be_read_do_not_cost_the_call(nonsense: str) -> None:
    for operation in ("chat", "execute_tool"):
        attributes = {
            "gen_ai.operation.name": operation, "gen_ai.usage.input_tokens": 5, "session.id": "s",
            "gen_ai.input.messages": nonsense, "gen_ai.output.messages": nonsense,
            "gen_ai.tool.call.arguments": nonsense, "gen_ai.tool.call.result": nonsense,
        }  # fmt: skip
        with rollbook.open("sqlite:///:memory:") as book:
            book.observe(mapping.mapped([record(attributes=attributes)]).told)
            assert book.get("s").calls == (operation == "chat")


def test_an_id_that_is_too_long_names_nothing() -> None:
    used = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 5, "gen_ai.response.id": "msg_" + "x" * 600}
    found = told(attributes=used)
    assert found.call is not None
    assert found.call.usage_id == names.span(TRACE, SPAN)


# What is nobody's, and what makes no sense


def test_spans_of_no_agent_are_but_links() -> None:
    found = told(
        "GET /", attributes={"http.request.method": "GET", "url.path": "/"}, resource=Resource(scope="fastapi")
    )
    assert not found.ours
    assert found.call is None
    assert not found.steps


def test_a_span_without_a_time_is_rejected_and_costs_only_itself() -> None:
    bad, good = record(start_us=0, end_us=0), record(attributes={"gen_ai.operation.name": "chat"})
    mapped = mapping.mapped([bad, good])
    assert (len(mapped.told), mapped.rejected) == (1, 1)
    assert "time" in mapped.message
    with pytest.raises(InvalidInput):
        spans.told(bad)


def test_values_of_any_type_raise_nothing() -> None:
    with rollbook.open("sqlite:///:memory:") as book:
        _tell_all(book)


def _tell_all(book: rollbook.Rollbook) -> None:
    keys = {
        name
        for emitter in EMITTERS
        for field in emitter.__struct_fields__
        if isinstance(names_of := getattr(emitter, field), tuple)
        for name in names_of
    } | {name for emitter in EMITTERS for names_of in emitter.tokens.values() for name in names_of}
    for value in (
        None,
        True,
        -1,
        2**70,
        1.5,
        float("nan"),
        "",
        "x" * 9,
        "{",
        "[]",
        '{"a": 1}',
        b"\xff",
        [],
        [1],
        {},
        {"a": [1]},
    ):
        for kind in ({"gen_ai.operation.name": "chat"}, {"gen_ai.operation.name": "execute_tool"}, {}):
            attributes = {name.lstrip("~").split("/")[0]: value for name in keys} | kind
            mapped = mapping.mapped([record(attributes=attributes)])
            assert (len(mapped.told), mapped.rejected) in {(1, 0), (0, 1)}
            observed = book.observe(mapped.told)
            assert observed.accepted + len(observed.refused) == len(mapped.told)
    assert book.verify().ok


def test_every_table_is_told_apart_and_says_known_things() -> None:
    assert len({emitter.name for emitter in EMITTERS}) == len(EMITTERS)
    for emitter in EMITTERS:
        assert emitter.tokens.keys() <= set(Tokens.__struct_fields__), emitter.name
        assert {*emitter.kinds.values(), *emitter.spans.values()} <= {CALL, EMBEDDING, TOOL, OTHER}, emitter.name
        assert all(said == said.lower() for said in (*emitter.kinds, *emitter.ends, *emitter.services)), emitter.name
