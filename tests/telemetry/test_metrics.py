"""What the metrics of each emitter say, as its documentation describes them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

import rollbook
from rollbook.ledger.ops import Touch
from rollbook.otlp import metrics
from rollbook.otlp.records import PointRecord, Resource
from rollbook.telemetry.told import OpsTold, PointTold

from .emitted import CLAUDE, CODEX, GEMINI, SECOND, T, point

USAGE = {"session__id": "s", "model": "claude-sonnet-4-5", "query_source": "main"}


def one(record: PointRecord) -> PointTold:
    mapped = metrics.mapped([record])
    assert not mapped.rejected, mapped.message
    (told,) = mapped.told
    assert isinstance(told, PointTold)
    return told


def session(*records: PointRecord, name: str = "s") -> rollbook.Session:
    """What a book that hears of these points twice says of a session."""
    with rollbook.open("sqlite:///:memory:") as book:
        for _ in range(2):
            observed = book.observe(metrics.mapped(records).told)
            assert not observed.refused
        assert book.verify().ok
        return book.get(name)


def test_claude_codes_kinds_are_disjoint_and_its_cost_is_its_own() -> None:
    kinds = {"input": 10, "output": 20, "cacheRead": 30, "cacheCreation": 40}
    points = [point(CLAUDE, "claude_code.token.usage", 60, value, type=kind, **USAGE) for kind, value in kinds.items()]
    found = session(*points, point(CLAUDE, "claude_code.cost.usage", 60, 0.25, **USAGE))
    assert (found.tokens_in, found.tokens_out, found.cost_usd, found.calls) == (80, 20, 0.25, 1)
    assert (found.cache_read_tokens, found.cache_write_tokens, found.agent) == (30, 40, "claude-code")


def test_codexs_input_has_what_was_cached_and_its_output_the_reasoning() -> None:
    kinds = {"input": 100, "cached_input": 60, "output": 30, "reasoning_output": 12, "total": 130}
    found = session(
        *(
            point(CODEX, "codex.turn.token_usage", 60, value, token_type=kind, conversation__id="s", model="gpt-5.2")
            for kind, value in kinds.items()
        )
    )
    assert (found.tokens_in, found.tokens_out, found.reasoning_tokens) == (100, 30, 12)
    assert found.cache_read_tokens == 60


def test_the_conventions_histogram_counts_by_its_sum() -> None:
    bot = Resource(attributes={"service.name": "my-bot"})
    usage = {"gen_ai__conversation__id": "s", "gen_ai__response__model": "gpt-5.2"}
    found = session(
        point(bot, "gen_ai.client.token.usage", 60, 70, gen_ai__token__type="input", **usage),
        point(bot, "gen_ai.client.token.usage", 60, 7, gen_ai__token__type="output", **usage),
    )
    assert (found.tokens_in, found.tokens_out, found.agent) == (70, 7, "my-bot")


def test_processes_that_share_a_session_are_added_up() -> None:
    def of(process: str, value: float, **more: Any) -> PointRecord:
        resource = Resource(attributes={"service.name": "claude-code", "service.instance.id": process})
        made = point(resource, "claude_code.token.usage", 60, value, type="input", **USAGE)
        return replace(made, **more)

    assert session(of("a", 5), of("b", 5)).tokens_in == 10
    grown = [of("a", value, cumulative=True, start_us=T, at_us=T + value * SECOND) for value in (5, 9, 7)]
    assert session(*grown, of("b", 4, cumulative=True, start_us=T)).tokens_in == 13
    assert session(*grown, of("a", 2, cumulative=True, start_us=T + 90 * SECOND)).tokens_in == 11


def test_the_same_series_comes_from_the_same_attributes_in_any_order() -> None:
    record = point(CLAUDE, "claude_code.token.usage", 60, 1, type="input", **USAGE)
    turned = replace(record, attributes=dict(reversed(record.attributes.items())))
    again = replace(turned, resource=Resource(attributes=dict(CLAUDE.attributes), scope=CLAUDE.scope))
    assert one(record).series == one(turned).series == one(again).series
    others = [
        replace(record, attributes=record.attributes | {"query_source": "subagent"}),
        replace(record, resource=Resource(attributes=CLAUDE.attributes | {"host.name": "b"}, scope=CLAUDE.scope)),
        replace(record, metric="gemini_cli.token.usage"),
    ]
    assert len({one(each).series for each in (record, *others)}) == 4


def test_a_start_of_a_session_is_a_sign_of_life_at_its_start() -> None:
    started = point(CLAUDE, "claude_code.session.count", 60, 1, session__id="s")
    for record in (started, replace(started, at_us=T + 600 * SECOND, cumulative=True)):
        (told,) = metrics.mapped([record]).told
        assert isinstance(told, OpsTold)
        (touch,) = told.ops
        assert isinstance(touch, Touch)
        assert touch.at == T


def test_what_names_no_session_is_passed_over_and_counted() -> None:
    usage = {"type": "input", "model": "m"}
    mapped = metrics.mapped(
        [
            point(CLAUDE, "claude_code.token.usage", 60, 1, **usage),
            point(CODEX, "codex.turn.token_usage", 60, 1, token_type="input"),
            point(CLAUDE, "claude_code.lines_of_code.count", 60, 1, session__id="s", type="added"),
            point(CLAUDE, "claude_code.token.usage", 60, 1, session__id="s", type="something new"),
            point(GEMINI, "gen_ai.client.token.usage", 60, 1, gen_ai__token__type="input", session__id="s"),
            point(CLAUDE, "claude_code.token.usage", 60, 0, session__id="s", type="input"),
        ]
    )
    assert (mapped.told, mapped.rejected, mapped.homeless) == ([], 0, 2)


@pytest.mark.parametrize(
    "bad", [{"value": -1}, {"value": float("nan")}, {"value": 10**15}, {"value": 0.5}, {"at_us": 0}]
)
def test_r3_a_point_that_makes_no_sense_costs_only_itself(bad: dict[str, Any]) -> None:
    good = point(CLAUDE, "claude_code.token.usage", 60, 1, type="input", **USAGE)
    mapped = metrics.mapped([replace(good, **bad), good])
    assert (mapped.rejected, len(mapped.told)) == (1, 1)
    assert mapped.message
