"""What real emitters sent, as it was posted: see tests/integrations/telemetry for how it was made."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

import rollbook
from rollbook.otlp import mapping, wire
from rollbook.telemetry.told import SpanTold

FOLDER: Final = Path(__file__).parents[1] / "data" / "otlp"
WHOLE: Final = (600, 400, 40, 60)  #: input, cache reads, output, reasoning of a request
PLAIN: Final = (600, 400, 100, 0)  #: the same, where reasoning is not told
EMBEDDED: Final = (7, 0, 0, 0)
FAILED: Final = (0, 0, 0, 0)

#: By name: the calls of each session.
CALLS: Final = {
    "openinference": {"chat-oi": [WHOLE, WHOLE, WHOLE, EMBEDDED, FAILED]},
    "openllmetry": {"chat-ll": [WHOLE, PLAIN, EMBEDDED, FAILED]},
    "openai_agents": {"chat-oa": [WHOLE, WHOLE]},
    "openai_agents_twice": {"chat-oo": [WHOLE, WHOLE]},
    "pydantic_ai": {"chat-pa": [WHOLE, WHOLE]},
    "pydantic_ai_responses": {"chat-pr": [WHOLE, WHOLE]},
    "pydantic_ai_metrics": {"chat-pm": [WHOLE, WHOLE]},
    "pydantic_ai_sums": {"chat-ps": [WHOLE, WHOLE]},
    "logfire": {"chat-lp": [WHOLE, WHOLE], "trace:": [WHOLE]},
    "events": {"chat-ev": [WHOLE]},
}
STEPS: Final = {"openai_agents": "weather", "pydantic_ai": "weather_of", "pydantic_ai_responses": "weather_of"}
AGENTS: Final = {"openai_agents": "Helper", "pydantic_ai": "helper"}


def sent(name: str) -> list[SpanTold]:
    found: list[SpanTold] = []
    for path in sorted(FOLDER.glob(f"{name}.*.traces.pb.gz")):
        decoded = wire.decode(
            "traces", path.read_bytes(), content_type="application/x-protobuf", content_encoding="gzip", most=1 << 20
        )
        mapped = mapping.mapped(decoded.records)  # type: ignore[arg-type]  # they are spans
        assert not decoded.rejected
        assert not mapped.rejected
        found += mapped.told
    assert found
    return found


def calls(book: rollbook.Rollbook) -> dict[str, list[tuple[int, ...]]]:
    """What the calls of each session took that stand in the book; of what was taken back, nothing stands."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for row in book.iterate_usage():
        session = "trace:" if row.session_id.startswith("trace:") else row.session_id
        assert row.entry == "call", "nothing had to be taken back, since a trace came at once"
        found.setdefault(session, []).append((row.input, row.cache_read, row.output, row.reasoning))
    return {session: sorted(rows, reverse=True) for session, rows in found.items()}


@pytest.mark.parametrize("name", CALLS)
def test_what_an_emitter_sent_comes_to_its_calls(name: str) -> None:
    expected = {session: sorted(rows, reverse=True) for session, rows in CALLS[name].items()}
    with rollbook.open("sqlite:///:memory:") as book:
        for batch in (sent(name), sent(name)[::-1]):
            assert not book.observe(batch).refused
            assert calls(book) == expected
        assert book.verify().ok
        session = next(iter(CALLS[name]))
        if name in STEPS:
            assert [step.tool_name for step in book.trace(session)] == [STEPS[name]]
        if name in AGENTS:
            assert book.get(session).agent == AGENTS[name]


@pytest.mark.parametrize("name", CALLS)
def test_span_by_span_and_backwards_it_comes_to_the_same_amounts(name: str) -> None:
    for spans in (sent(name), sent(name)[::-1]):
        with rollbook.open("sqlite:///:memory:") as book:
            for told in spans:
                book.observe([told])
            amounts = sorted(
                (session.calls, session.tokens_in, session.tokens_out, session.cost_usd)
                for session in book.list().sessions
                if session.calls
            )
            whole = sorted(row for rows in CALLS[name].values() for row in rows)
            assert sum(calls for calls, *_ in amounts) == len(whole)
            assert sum(took for _, took, *_ in amounts) == sum(row[0] + row[1] for row in whole)
            assert book.verify().ok


def test_what_was_said_is_said_once() -> None:
    with rollbook.open("sqlite:///:memory:") as book:
        for _ in range(2):
            book.observe(sent("openai_agents_twice"))
        said = [(message.role, message.content) for message in book.conversation("chat-oo")]
        assert said == [("user", "Weather in Oslo?"), ("assistant", "It rains in Oslo.")]
