"""Everything that is refused: the method, its arguments, and what the message has to say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from rollbook.model import Tokens

from .tools import NOW, user

HUGE: Final = 10**5000  #: more digits than an int may be written with
Bad = tuple[str, dict[str, Any], str]  #: the method, its arguments, and what the message says


def _wrong_text(argument: str, most: int) -> list[tuple[Any, str]]:
    return [
        ("a\x00b", "control|NUL"), ("a\ud800", "surrogate"), ("x" * (most + 1), "at most"),
        ("ä" * (most // 2 + 1), "at most"),
        (5, "must be text"), (b"bytes", "must be text"), (["list"], "must be text"),
    ]  # fmt: skip


def calls() -> list[Bad]:
    """What ``record_usage`` refuses."""
    counts: list[tuple[Any, str]] = [
        (-1, "negative"), (1.5, "whole number"), (1.0, "whole number"), (float("nan"), "whole number"),
        (float("inf"), "whole number"), (True, "whole number"), ("5", "whole number"), (2**63, "too large"),
        (10**12 + 1, "too large"), (HUGE, "too large"), (Decimal(5), "whole number"),
    ]  # fmt: skip
    costs: list[tuple[Any, str]] = [
        (-1, "negative"), (-0.0001, "negative"), (float("nan"), "finite"), (float("inf"), "finite"), ("NaN", "finite"),
        ("-inf", "finite"), ("sNaN", "finite"), ("", "not a number"), ("1,5", "not a number"),
        (True, "must be a number"),
        (10**6 + 1, "too large"), (1e300, "too large"), (HUGE, "too large"), ([1], "must be a number"),
    ]  # fmt: skip
    times: list[tuple[Any, str]] = [
        ("yesterday", "RFC 3339"), ("", "RFC 3339"), ("2026-01-05T09:00:00", "time zone"),
        (datetime(2026, 1, 5), "time zone"), # noqa: DTZ001
        (float("nan"), "finite"), (float("-inf"), "finite"), (True, "must be a time"), (0, "2000"), (-1, "2000"),
        ("1999-12-31T23:59:59+00:00", "2000"), (1e300, "9999"), (HUGE, "9999|range"), (-HUGE, "2000|range"),
        ([], "must be a time"),
        (datetime.min.replace(tzinfo=UTC), "2000"), (NOW, "Unix seconds"),
    ]  # fmt: skip
    found: list[Bad] = [("record_usage", {"tokens_in": value}, said) for value, said in counts]
    found += [("record_usage", {"tokens_out": value}, said) for value, said in counts[:4]]
    found += [("record_usage", {"tokens": {"cache_read": value}}, said) for value, said in counts]
    found += [("record_usage", {"tokens": Tokens(output=value)}, said) for value, said in counts]
    found += [("record_usage", {"cost_usd": value}, said) for value, said in costs]
    found += [("record_usage", {"occurred_at": value}, said) for value, said in times]
    found += [
        ("record_usage", {"usage_id": value}, said) for value, said in [("", "empty"), *_wrong_text("usage_id", 512)]
    ]
    found += [
        ("record_usage", {"aliases": [value]}, said) for value, said in [("", "empty"), *_wrong_text("alias", 512)]
    ]
    for name in ("model", "provider", "source"):
        found += [("record_usage", {name: value}, said) for value, said in _wrong_text(name, 256)]
    found += [
        ("record_usage", {"aliases": "text"}, "list of texts"),
        ("record_usage", {"aliases": 5}, "list of texts"),
        ("record_usage", {"aliases": [f"a{number}" for number in range(17)]}, "at most 16"),
        ("record_usage", {"tokens": {"inputs": 5}}, "it is one of input, cache_read"),
        ("record_usage", {"tokens": {5: 5}}, "it is one of input"),
        ("record_usage", {"tokens": 5}, "mapping"),
        ("record_usage", {"tokens": {"input": 1}, "tokens_in": 1}, "not both"),
        ("record_usage", {"billing": "monthly"}, "it is one of unknown, api, subscription"),
        ("record_usage", {"billing": None}, "billing"),
        ("record_usage", {"evidence": "hearsay"}, "it is one of metric, log, span, push"),
        ("record_usage", {"errored": 1}, "true or false"),
        ("record_usage", {"errored": None}, "true or false"),
        ("record_usage", {"tier": "bogus", "model": "gpt-4o"}, "it is one of standard, batch"),
        ("record_usage", {"tier": ["x"], "model": "gpt-4o"}, "tier"),
        ("record_usage", {"user_id": ""}, "empty"),
        ("record_usage", {"user_id": 5}, "must be text"),
        ("record_usage", {"user_id": ["u"]}, "must be text"),
        ("record_usage", {"user_id": "a\nb"}, "control"),
    ]
    return found


def sessions() -> list[Bad]:
    """What the other methods that write refuse."""
    ids: list[tuple[Any, str]] = [
        ("", "empty"),
        (" \t", "empty"),
        ("a\nb", "control"),
        ("\x7f", "control"),
        *_wrong_text("id", 512),
    ]
    found: list[Bad] = [("touch", {"session_id": value}, said) for value, said in ids]
    for method in (
        "end",
        "reopen",
        "mark_unknown",
        "delete",
        "get",
        "usage",
        "children",
        "inclusive",
        "reconcile_except",
        "record_usage",
    ):
        more = {"status": "failed"} if method == "end" else {}
        found += [(method, {"session_id": value, **more}, said) for value, said in [*ids[:4], (None, "must be text")]]
    for name in ("agent", "actor", "parent"):
        most = 512 if name == "parent" else 256
        found += [("touch", {name: value}, said) for value, said in _wrong_text(name, most)]
    for name, most in (("title", 1024), ("goal_text", 65536)):
        found += [
            ("touch", {name: "x" * (most + 1)}, "at most"), ("touch", {name: "\x00"}, "NUL"),
            ("touch", {name: "\udfff"}, "surrogate"), ("touch", {name: 5}, "must be text"),
        ]  # fmt: skip
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    found += [
        ("touch", {"project": "p" * 4097}, "at most 4096"),
        ("touch", {"kind": "batch"}, "it is one of interactive, autonomous, acp"),
        ("touch", {"kind": ["acp"]}, "it is one of"),
        ("touch", {"channel": "fax"}, "it is one of cli, tui"),
        ("touch", {"dataset_id": "mine"}, "UUID"),
        ("touch", {"dataset_id": 5}, "UUID"),
        ("touch", {"tags": "text"}, "list of texts"),
        ("touch", {"tags": 5}, "list of texts"),
        ("touch", {"tags": [5]}, "must be text"),
        ("touch", {"tags": [[]]}, "must be text"),
        ("touch", {"tags": [f"t{number}" for number in range(65)]}, "at most 64"),
        ("touch", {"metadata": "text"}, "mapping"),
        ("touch", {"metadata": {5: 5}}, "text keys"),
        ("touch", {"metadata": {"a": object()}}, "not JSON"),
        ("touch", {"metadata": {"a": "x" * 20_000}}, "16384"),
        ("touch", {"metadata": {"a": "\ud800"}}, "JSON|surrogate"),
        ("touch", {"metadata": {"a": "\x00"}}, "NUL"),
        ("touch", {"metadata": {"a": float("nan")}}, "metadata"),
        ("touch", {"metadata": deep}, "metadata"),
        ("touch", {"turns": -1}, "negative"),
        ("touch", {"turns": 1.5}, "whole number"),
        ("touch", {"turns": HUGE}, "too large"),
        ("touch", {"at": "now"}, "RFC 3339"),
        ("touch", {"at": 5}, "2000"),
        ("touch", {"at": HUGE}, "9999|range"),
        ("touch", {"parent": "s"}, "own ancestor"),
        ("touch", {"parent": "p", "parent_user_id": user(3)}, "same user"),
        ("end", {"status": "done"}, "it is one of completed, failed, cancelled"),
        ("end", {"status": "abandoned"}, "it is one of completed"),
        ("end", {"status": "running"}, "it is one of completed"),
        ("end", {"status": None}, "completed, failed, cancelled"),
        ("end", {"status": ["failed"]}, "it is one of"),
        ("end", {"status": "failed", "reason": "\x00"}, "NUL"),
        ("end", {"status": "failed", "reason": "x" * 1025}, "at most"),
        ("end", {"status": "failed", "at": "2026-01-05"}, "time zone"),
        ("reopen", {"at": float("nan")}, "finite"),
        ("mark_unknown", {"reason": 5}, "must be text"),
    ]  # fmt: skip
    return found


def upserts() -> list[Bad]:
    given: list[tuple[Any, str]] = [
        (5, "mapping"), ("s", "mapping"), ({}, "session_id"), ({"status": "failed"}, "session_id"),
        ({"session_id": "s", "colour": "red"}, "unknown field 'colour'"), ({"session_id": "s", 5: 5}, "unknown field"),
        ({"session_id": "s", "status": "done"}, "it is one of running"), ({"session_id": ""}, "empty"),
        ({"session_id": "s", "tokens_in": -1}, "negative"), ({"session_id": "s", "tokens_in": 1.5}, "whole number"),
        ({"session_id": "s", "tokens_in": 2**63}, "too large"), ({"session_id": "s", "tokens_out": HUGE}, "too large"),
        ({"session_id": "s", "cost_usd": float("nan")}, "finite"), ({"session_id": "s", "cost_cents": -1}, "negative"),
        ({"session_id": "s", "cost_nano_usd": 1.0}, "whole number"),
        ({"session_id": "s", "turns": True}, "whole number"),
        ({"session_id": "s", "tokens_out": 1, "reasoning_tokens": 2}, "cannot exceed"),
        ({"session_id": "s", "metadata": "not json"}, "metadata"), ({"session_id": "s", "metadata": "[1]"}, "metadata"),
        ({"session_id": "s", "metadata": '{"a": "' + "x" * 20_000 + '"}'}, "metadata"),
        ({"session_id": "s", "tags": "text"}, "list of texts"), ({"session_id": "s", "title": 5}, "must be text"),
        ({"session_id": "s", "last_activity_at": "soon"}, "RFC 3339"), ({"session_id": "s", "started_at": 5}, "2000"),
        ({"session_id": "s", "user_id": []}, "must be text"), ({"session_id": "s", "kind": "batch"}, "it is one of"),
        ({"session_id": "s", "parent_id": "s"}, "own ancestor"),
        ({"session_id": "s", "parent_id": "p", "parent_user_id": "bob"}, "same user"),
        ({"session_id": "s", "last_model": "x" * 257}, "at most"),
    ]  # fmt: skip
    return [("upsert", {"session": value}, said) for value, said in given]


def questions() -> list[Bad]:
    since: list[tuple[Any, str]] = [
        ("1w", "24h, 7d, 30d, all"), ("0h", "24h"), ("-1h", "24h"), ("24 h", "24h"), ("", "24h"), ("2026-01-05", "24h"),
        (timedelta(hours=-1), "negative"), ([], "24h"), (True, "24h"), (float("nan"), "24h"), (1e300, "range"),
        (HUGE, "range"),
    ]  # fmt: skip
    found: list[Bad] = [
        (method, {"since": value}, said)
        for method in ("list", "stats", "cost_by_model", "spend")
        for value, said in since
    ]
    columns = "it is one of last_activity_at, started_at"
    found += [
        ("list", {"status": "done"}, "it is one of running, completed"),
        ("list", {"status": 5}, "it is one of running"),
        ("list", {"kind": "batch"}, "it is one of interactive"),
        ("list", {"channel": "fax"}, "it is one of cli"),
        ("list", {"order_by": "colour"}, columns),
        ("list", {"order_by": "session_id; drop table session"}, columns),
        ("list", {"order_by": None}, columns),
        ("list", {"limit": 0}, "at least 1"),
        ("list", {"limit": -1}, "negative"),
        ("list", {"limit": 501}, "at most 500"),
        ("list", {"limit": 1.5}, "whole number"),
        ("list", {"limit": True}, "whole number"),
        ("list", {"limit": HUGE}, "too large"),
        ("list", {"offset": -1}, "negative"),
        ("list", {"offset": 2**63}, "too large"),
        ("list", {"cursor": "garbage"}, "next_cursor"),
        ("list", {"cursor": 5}, "next_cursor"),
        ("list", {"dataset_id": "mine"}, "UUID"),
        ("list", {"text": "a\x00"}, "control"),
        ("list", {"agent": 5}, "must be text"),
        ("list", {"user_id": 5}, "must be text"),
        ("spend", {"by": "colour"}, "it is one of hour, day"),
        ("spend", {"by": None}, "it is one of hour, day"),
        ("spend", {"tz": "Mars/Olympus"}, "Europe/Vienna"),
        ("spend", {"tz": ""}, "time zone"),
        ("spend", {"tz": "../../etc/passwd"}, "time zone"),
        ("spend", {"tz": "America"}, "time zone"),
        ("spend", {"tz": "a\x00"}, "time zone"),
        ("spend", {"tz": 5}, "must be a name"),
        ("usage", {"limit": -1}, "negative"),
        ("usage", {"limit": 1.5}, "whole number"),
        ("get", {"owner": 5}, "must be text"),
    ]  # fmt: skip
    return found
