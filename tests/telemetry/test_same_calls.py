"""R15: the same session seen through transcripts, logs, metrics and spans, in every order: no call is counted twice."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.importers import source
from rollbook.importers.runs import run_import
from rollbook.otlp import logs, mapping, metrics
from rollbook.otlp.records import LogRecord, PointRecord, SpanRecord

from .emitted import CLAUDE, CODEX, GEMINI, T, calls, log, point, span, totals

NOW = T + 86_400 * 1_000_000
ID = "aaaaaaaa-0000-4000-8000-00000000000a"
SONNET = "claude-sonnet-4-5"
Door = Callable[[rollbook.Rollbook], None]
Used = tuple[int, int, int, int]  #: input, output, cache reads, cache writes

#: What each request took: two of them the same, and the last one a sub-agent's.
USED: list[Used] = [(10, 20, 100, 5), (11, 21, 105, 6), (11, 21, 105, 6), (7, 30, 0, 0)]


@pytest.fixture
def book() -> Iterator[rollbook.Rollbook]:
    with rollbook.open("sqlite:///:memory:") as opened:
        yield opened


def time(second: int) -> str:
    return f"2026-03-02T10:{second // 60:02}:{second % 60:02}.000Z"


def lines(path: Path, *records: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def imported(name: str, folder: Path) -> Door:
    return lambda book: check(run_import(book, source(name), [folder], now=NOW).problems)


def check(problems: Sequence[object]) -> None:
    assert not problems


def logged(*records: LogRecord) -> Door:
    mapped = logs.mapped(records)
    assert not mapped.rejected
    return lambda book: check(list(book.observe(mapped.told).refused.values()))


def metered(*points: PointRecord) -> Door:
    mapped = metrics.mapped(points)
    assert not mapped.rejected
    return lambda book: check(list(book.observe(mapped.told).refused.values()))


def traced(*spans: SpanRecord) -> Door:
    mapped = mapping.mapped(spans)
    assert not mapped.rejected
    return lambda book: check(list(book.observe(mapped.told).refused.values()))


def orders(doors: dict[str, Door]) -> list[tuple[str, ...]]:
    return [order for size in range(1, len(doors) + 1) for order in itertools.permutations(doors, size)]


def seen(doors: dict[str, Door], order: Sequence[str]) -> list[tuple[Any, ...]]:
    """What a book holds that heard of a session through these doors one after the other, and then once more."""
    with rollbook.open("sqlite:///:memory:") as book:
        for name in order:
            doors[name](book)
        once = calls(book)
        for name in order:
            doors[name](book)
        assert calls(book) == once, f"{order} again"
        assert book.verify().ok
        return once


# Claude Code


def claude(folder: Path, *, named: bool) -> dict[str, Door]:
    """A session's doors; without the ids of requests, as it is behind some gateways, unless they are ``named``."""
    told, requests, spans = [], [], []
    for place, (took, gave, read, written) in enumerate(USED):
        below = place == len(USED) - 1
        request = {"requestId": f"req_{place}"} if named else {}
        told.append(
            {
                "type": "assistant", "uuid": f"u{place}", "timestamp": time(place * 60), "sessionId": ID,
                "cwd": "/src", "version": "2.1.0", "isSidechain": below, **({"agentId": "a1"} if below else {}),
                **request,
                "message": {
                    "id": f"msg_{place}", "role": "assistant", "model": SONNET, "stop_reason": "end_turn",
                    "content": [{"type": "text", "text": "Done."}],
                    "usage": {
                        "input_tokens": took, "output_tokens": gave, "cache_read_input_tokens": read,
                        "cache_creation_input_tokens": written,
                    },
                },
            }
        )  # fmt: skip
        common: dict[str, Any] = {
            "session__id": ID, "model": SONNET, "input_tokens": str(took), "output_tokens": str(gave),
            "cache_read_tokens": str(read), "cache_creation_tokens": str(written),
            "query_source": "subagent" if below else "main", **({"request_id": f"req_{place}"} if named else {}),
        }  # fmt: skip
        requests.append(
            log(CLAUDE, "api_request", place * 60 + 0.25, event__sequence=place, cost_usd="0.004", **common)
        )
        more: dict[str, Any] = {"agent_id": "a1", "parent_agent_id": ""} if below else {}
        spans.append(span(CLAUDE, "claude_code.llm_request", place * 60 + 0.125, place + 1, **common, **more))
    lines(folder / "projects" / "-src" / f"{ID}.jsonl", *told[:-1])
    lines(folder / "projects" / "-src" / ID / "subagents" / "agent-a1.jsonl", told[-1])
    kinds = zip(("input", "output", "cacheRead", "cacheCreation"), zip(*USED, strict=True), strict=True)
    points = [
        point(CLAUDE, "claude_code.token.usage", 240, sum(each), type=kind, model=SONNET, session__id=ID)
        for kind, each in kinds
    ]
    cost = point(CLAUDE, "claude_code.cost.usage", 240, 0.016, model=SONNET, session__id=ID)
    return {
        "transcript": imported("claude-code", folder),
        "logs": logged(*requests),
        "spans": traced(*spans),
        "metrics": metered(*points, cost),
    }


@pytest.mark.parametrize("named", [True, False], ids=["request ids", "no request ids"])
def test_r15_a_session_of_claude_code_seen_through_every_door_in_every_order(tmp_path: Path, named: bool) -> None:
    doors = claude(tmp_path, named=named)
    best: dict[frozenset[str], list[tuple[Any, ...]]] = {}
    for order in orders(doors):
        found = seen(doors, order)
        if len(order) > 1 or order != ("metrics",):
            took = sorted((each[1], each[4], each[2], each[3]) for each in found)
            assert took == sorted(USED), f"{order}"
        assert best.setdefault(frozenset(order), found) == found, f"{order}"
    everything = best[frozenset(doors)]
    assert everything == best[frozenset(["transcript"])], "the best evidence stands"
    assert {session for session, *_ in everything} == {ID, f"{ID}/agent-a1"}
    assert {cost for *_, cost, _, _ in best[frozenset(["logs"])]} == {4_000_000}
    (alone,) = best[frozenset(["metrics"])]
    assert alone[1:7] == (39, 310, 17, 92, 0, 16_000_000)


@pytest.mark.parametrize("request_id", ["req_1", "", "0f9d2c1e-7a7b-4a39-9c55-1f2e3d4c5b6a"])
@pytest.mark.parametrize("order", ["ls", "sl"])
def test_r15_a_request_that_failed_is_one_in_logs_and_spans(
    book: rollbook.Rollbook, request_id: str, order: str
) -> None:
    common: dict[str, Any] = {"session__id": ID, "model": SONNET, "request_id": request_id}
    doors = {
        "l": logged(log(CLAUDE, "api_error", 1, error="Overloaded", status_code="529", **common)),
        "s": traced(span(CLAUDE, "claude_code.llm_request", 1, 1, success="false", status_code="529", **common)),
    }
    for door in order + order:
        doors[door](book)
    session = book.get(ID)
    assert (session.calls, session.call_errors, session.error_count) == (1, 1, 1)


# Codex


RESPONSES = [(100, 0, 10, 4), (200, 90, 12, 0), (200, 90, 12, 0), (300, 180, 30, 9)]


def codex(folder: Path) -> dict[str, Door]:
    """A session whose second and third responses took the same, and of which the transcript has no ids of responses."""
    told: list[dict[str, Any]] = [
        {"type": "session_meta", "payload": {"id": ID, "timestamp": time(0), "cwd": "/src", "source": "cli"}},
        {"type": "turn_context", "payload": {"model": "gpt-5.2"}},
    ]
    requests, spans = [], []
    total = (0, 0, 0, 0)
    for place, (took, cached, gave, thought) in enumerate(RESPONSES, 1):
        total = (total[0] + took, total[1] + cached, total[2] + gave, total[3] + thought)
        usages = [
            {
                "input_tokens": one[0], "cached_input_tokens": one[1], "output_tokens": one[2],
                "reasoning_output_tokens": one[3], "total_tokens": one[0] + one[2],
            }
            for one in (total, (took, cached, gave, thought))
        ]  # fmt: skip
        info = {"total_token_usage": usages[0], "last_token_usage": usages[1]}
        told.append({"type": "event_msg", "payload": {"type": "token_count", "info": info}})
        requests.append(
            log(
                CODEX, "codex.sse_event", place + 0.5, event__kind="response.completed", conversation__id=ID,
                model="gpt-5.2", input_token_count=str(took), cached_token_count=str(cached),
                output_token_count=str(gave), reasoning_token_count=str(thought), tool_token_count=str(took + gave),
            )
        )  # fmt: skip
        spans.append(
            span(
                CODEX, "codex.response", place + 0.25, place, conversation__id=ID, model="gpt-5.2",
                gen_ai__usage__input_tokens=took, gen_ai__usage__cache_read__input_tokens=cached,
                gen_ai__usage__output_tokens=gave, codex__usage__reasoning_output_tokens=thought,
                codex__usage__total_tokens=took + gave,
            )
        )  # fmt: skip
    file = folder / "sessions" / "2026" / "03" / "02" / f"rollout-2026-03-02T10-00-00-{ID}.jsonl"
    lines(file, *({"timestamp": time(place), **record} for place, record in enumerate(told)))
    return {"transcript": imported("codex", folder), "logs": logged(*requests), "spans": traced(*spans)}


def test_r15_a_session_of_codex_seen_through_every_door_in_every_order(tmp_path: Path) -> None:
    doors = codex(tmp_path)
    expected = sorted((took - cached, cached, gave - thought, thought) for took, cached, gave, thought in RESPONSES)
    best: dict[frozenset[str], list[tuple[Any, ...]]] = {}
    for order in orders(doors):
        found = seen(doors, order)
        assert sorted((each[1], each[2], each[4], each[5]) for each in found) == expected, f"{order}"
        assert best.setdefault(frozenset(order), found) == found, f"{order}"
    assert best[frozenset(doors)] == best[frozenset(["transcript"])]


def test_r15_responses_of_codex_that_come_one_by_one_and_some_of_them_never(
    tmp_path: Path, book: rollbook.Rollbook
) -> None:
    doors = codex(tmp_path)
    first = log(
        CODEX, "codex.sse_event", 3.5, event__kind="response.completed", conversation__id=ID, model="gpt-5.2",
        input_token_count=200, cached_token_count=90, output_token_count=12, reasoning_token_count=0,
    )  # fmt: skip
    logged(first)(book)
    assert totals(book)[0] == 1
    doors["transcript"](book)
    assert totals(book)[0] == len(RESPONSES)
    doors["logs"](book)
    assert totals(book)[0] == len(RESPONSES)
    another = log(
        CODEX, "codex.sse_event", 9.5, event__kind="response.completed", conversation__id=ID, model="gpt-5.2",
        input_token_count=200, cached_token_count=90, output_token_count=12, reasoning_token_count=0,
    )  # fmt: skip
    logged(another)(book)
    assert totals(book)[0] == len(RESPONSES) + 1, "a third one that took the same"
    assert book.verify().ok


# Gemini CLI


def gemini(folder: Path) -> dict[str, Door]:
    """Two answers that took the same, and a sub-agent's, which its log says to be the session's."""
    used = [(100, 40, 20, 7, 3), (100, 40, 20, 7, 3), (90, 0, 5, 0, 0)]
    messages, requests = [], []
    for place, (took, cached, gave, thoughts, tool) in enumerate(used, 1):
        tokens = {
            "input": took, "cached": cached, "output": gave, "thoughts": thoughts, "tool": tool,
            "total": took + gave + thoughts + tool,
        }  # fmt: skip
        messages.append(
            {
                "id": f"aaaaaaaa-0000-4000-8000-0000000000{place:02}", "timestamp": time(place), "type": "gemini",
                "content": "Done.", "model": "gemini-2.5-pro", "tokens": tokens,
            }
        )  # fmt: skip
        requests.append(
            log(
                GEMINI, "gemini_cli.api_response", place + 0.5, session__id=ID, model="gemini-2.5-pro",
                input_token_count=took, cached_content_token_count=cached, output_token_count=gave,
                thoughts_token_count=thoughts, tool_token_count=tool, total_token_count=tokens["total"],
                prompt_id=f"{ID}########{place}",
            )
        )  # fmt: skip
    asked = {"id": "m0", "timestamp": time(0), "type": "user", "content": "Hi"}
    chats = folder / "tmp" / "shop" / "chats"
    head = {"projectHash": "shop", "startTime": time(0), "lastUpdated": time(0)}
    lines(chats / "session-2026-03-02T10-00-aaaaaaaa.jsonl", {"sessionId": ID, **head}, asked, *messages[:2])
    lines(chats / ID / "b1.jsonl", {"sessionId": "b1", "kind": "subagent", **head}, asked, messages[2])
    points = [
        point(GEMINI, "gemini_cli.token.usage", 60, value, type=kind, model="gemini-2.5-pro", session__id=ID)
        for kind, value in (("input", 290), ("cache", 80), ("output", 45), ("thought", 14), ("tool", 6))
    ]
    twice = point(
        GEMINI, "gen_ai.client.token.usage", 60, 290, gen_ai__token__type="input", session__id=ID,
        gen_ai__response__model="gemini-2.5-pro",
    )  # fmt: skip
    return {
        "transcript": imported("gemini-cli", folder),
        "logs": logged(*requests),
        "metrics": metered(*points, twice),
    }


def test_r15_a_session_of_gemini_cli_seen_through_every_door_in_every_order(tmp_path: Path) -> None:
    doors = gemini(tmp_path / ".gemini")
    best: dict[frozenset[str], list[tuple[Any, ...]]] = {}
    for order in orders(doors):
        found = seen(doors, order)
        if order != ("metrics",):
            took = sorted((each[1], each[2], each[4], each[5]) for each in found)
            assert took == [(63, 40, 20, 7), (63, 40, 20, 7), (90, 0, 5, 0)], f"{order}"
        assert best.setdefault(frozenset(order), found) == found, f"{order}"
    assert best[frozenset(doors)] == best[frozenset(["transcript"])]
    (alone,) = best[frozenset(["metrics"])]
    assert alone[1:6] == (216, 80, 0, 45, 14)
