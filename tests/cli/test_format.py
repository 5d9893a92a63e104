from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.cli import format as shown
from rollbook.model import ModelCost


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (1049, "1.0k"),
        (1050, "1.1k"),
        (12_345, "12.3k"),
        (999_949, "999.9k"),
        (999_950, "1.0M"),
        (999_999, "1.0M"),
        (1_200_000, "1.2M"),
        (999_950_000, "1.0B"),
        (2**63 - 1, "9.2E"),
        (-1500, "-1.5k"),
    ],
)
def test_tokens(count: int, text: str) -> None:
    assert shown.tokens(count) == text


@given(st.integers(min_value=1, max_value=2**63 - 1))
def test_tokens_never_reach_a_thousand_of_a_unit(count: int) -> None:
    digits = shown.tokens(count).rstrip("kMBTPE")
    assert float(digits) < 1000
    factor = 1000 ** (" kMBTPE".index(shown.tokens(count)[-1]) if shown.tokens(count)[-1].isalpha() else 0)
    assert abs(float(digits) * factor - count) <= 0.051 * factor


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "$0.0000"),
        (12_300_000, "$0.0123"),
        (12_349_999, "$0.0123"),
        (12_350_000, "$0.0124"),
        (50_000, "$0.0001"),
        (49_999, "$0.000049999"),
        (1_000, "$0.000001"),
        (1, "$0.000000001"),
        (1_234_567_891_234_567, "$1,234,567.8912"),
        (-12_300_000, "-$0.0123"),
    ],
)
def test_money(nano: int, text: str) -> None:
    assert shown.money(nano) == text


@given(st.integers(min_value=1, max_value=10**15))
def test_no_spending_looks_free(nano: int) -> None:
    assert any(digit in "123456789" for digit in shown.money(nano))


def _priced(cost_usd: float | None, nano: int, unpriced: int) -> ModelCost:
    return ModelCost(
        model="m", session_count=1, cost_usd=cost_usd, tokens_in=1, tokens_out=1, unpriced_calls=unpriced,
        cost_nano_usd=nano,
    )  # fmt: skip


def test_r14_unpriced_is_no_price_and_partly_priced_is_a_bound() -> None:
    assert shown.cost(_priced(None, 0, 2)) == "-"
    assert shown.cost(_priced(0.0123, 12_300_000, 1)) == ">=$0.0123"
    assert shown.cost(_priced(0.0123, 12_300_000, 0)) == "$0.0123"
    assert shown.cost(_priced(0.0, 0, 0)) == "$0.0000"
    assert shown.cost(_priced(0.0, 0, 1)) == ">=$0.0000"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_999, "1.0 MB"), (5 * 10**15, "5000.0 TB")]
)
def test_size(count: int, text: str) -> None:
    assert shown.size(count) == text


NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=0), "0s ago"),
        (timedelta(seconds=59), "59s ago"),
        (timedelta(seconds=60), "1m ago"),
        (timedelta(minutes=59, seconds=59), "59m ago"),
        (timedelta(hours=47, minutes=59), "47h ago"),
        (timedelta(days=2), "2d ago"),
        (timedelta(days=29), "29d ago"),
        (timedelta(minutes=-3), "in 3m"),
    ],
)
def test_ago(span: timedelta, text: str) -> None:
    assert shown.ago(NOW - span, NOW) == text


def test_long_ago_is_a_date() -> None:
    assert shown.ago(NOW - timedelta(days=40), NOW) == (NOW - timedelta(days=40)).astimezone().date().isoformat()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (59.9, "59s"), (60, "1m 00s"), (3599, "59m 59s"), (3660, "1h 01m"), (90_000, "1d 01h")],
)
def test_duration(seconds: float, text: str) -> None:
    assert shown.duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("plain", "plain"),
        ("", ""),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1bPpayload\x1b\\b", "ab"),
        ("a\x1b]0;never ended", "a"),
        ("a\x1bcb", "ab"),
        ("a\x1b", "a\\x1b"),
        ("bell\x07", "bell\\x07"),
        ("over\x08write", "over\\x08write"),
        ("two\nlines\r\n\tand a tab", "two lines and a tab"),
        ("pay\u202egpj.exe", "pay\\u202egpj.exe"),
        ("\u2066isolate\u2069", "\\u2066isolate\\u2069"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\u2028separator", "line separator"),
        ("half \ud800", "half \\ud800"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("日本語 é́ 👩\u200d👩\u200d👧", "日本語 é́ 👩\u200d👩\u200d👧"),
        ("[red]not markup[/red]", "[red]not markup[/red]"),
    ],
)
def test_clean(text: str, harmless: str) -> None:
    assert shown.clean(text) == harmless


def test_nothing_is_a_dash() -> None:
    assert shown.clean(None) == "-"


@given(st.text(alphabet=st.characters(codec=None), max_size=40))
def test_clean_text_does_nothing_to_a_terminal(text: str) -> None:
    left = {unicodedata.category(char) for char in shown.clean(text)} - {"Lu", "Ll", "Nd", "Zs", "Cn", "Co"}
    assert not left & {"Cc", "Cs", "Zl", "Zp"}
    assert "\u202e" not in shown.clean(text)
    assert "\u2066" not in shown.clean(text)


@given(st.text(max_size=30), st.text(max_size=30))
def test_ids_that_differ_look_different(one: str, other: str) -> None:
    # As ids: no control characters, spaces alone, or backslashes, which are how the others are written.
    ids = [text for text in (one, other) if "\\" not in text and text == " ".join(text.split()) and text]
    ids = [text for text in ids if not any(unicodedata.category(char) == "Cc" for char in text)]
    if len(ids) == 2 and one != other and not any(char.isspace() and char != " " for char in one + other):
        assert shown.clean(one) != shown.clean(other)
