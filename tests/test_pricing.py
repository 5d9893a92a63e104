"""R14: a price is the one in force when the call was made, as the provider bills it, rounded half-even once."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from genai_prices import Usage, __version__
from genai_prices.data import providers
from hypothesis import given
from hypothesis import strategies as st

from rollbook.model import Tokens, to_micros
from rollbook.pricing import REMEMBERED, Price, _regimes, price
from rollbook.pricing.card import KINDS, half_even
from rollbook.pricing.names import is_bedrock, model_ref, provider_key

VERSION = f"genai-prices/{__version__}"


def micros(text: str) -> int:
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=UTC))


AT = micros("2026-01-15T12:00:00")
LISTED = micros("2026-11-05T12:00:00")  #: when the tables list the tiers, too


def nano(model: str, provider: str | None = None, at: int = AT, tier: str = "standard", **tokens: Any) -> int | None:
    found = price(model, provider, Tokens(**tokens), at, tier=tier)
    return None if found is None else found.cost_nano


def test_r14_claude_bills_each_kind_of_cache_at_its_own_price() -> None:
    # 1000 x $3 + 20000 x $0.30 + 4000 x $3.75 + 500 x $6 + 700 x $15 + 300 x $15, per million tokens
    tokens = Tokens(input=1000, cache_read=20_000, cache_write=4000, cache_write_1h=500, output=700, reasoning=300)
    expected = 3_000_000 + 6_000_000 + 15_000_000 + 3_000_000 + 10_500_000 + 4_500_000
    assert price("claude-sonnet-4-5-20250929", "anthropic", tokens, AT) == Price(expected, VERSION)


def test_r14_an_hour_in_claudes_cache_costs_twice_the_input_where_the_tables_are_silent() -> None:
    assert nano("claude-3-7-sonnet", "google", cache_write_1h=1000) == 6_000_000
    assert nano("claude-sonnet-4", "openrouter", cache_write_1h=1000) is None  # not that provider's spelling
    assert nano("anthropic/claude-sonnet-4", "openrouter", cache_write_1h=1000) == 6_000_000


def test_r14_long_context_is_chosen_by_all_that_the_request_read_and_holds_for_all_of_it() -> None:
    at_limit: dict[str, Any] = {"input": 10_000, "cache_read": 180_000, "cache_write": 9000, "audio_in": 1000}
    assert sum(at_limit.values()) == 200_000
    low = 10_000 * 3000 + 180_000 * 300 + 9000 * 3750 + 1000 * 3000 + 100 * 15_000
    assert nano("claude-sonnet-4-5", output=100, **at_limit) == low
    above = at_limit | {"cache_read": 180_001}
    high = 10_000 * 6000 + 180_001 * 600 + 9000 * 7500 + 1000 * 6000 + 100 * 22_500
    assert nano("claude-sonnet-4-5", output=100, **above) == high
    by_writes: dict[str, Any] = {"cache_write": 150_000, "cache_write_1h": 50_001}
    assert nano("claude-sonnet-4-5", **by_writes) == 150_000 * 7500 + 50_001 * 12_000


def test_r14_two_requests_below_the_limit_are_not_one_above_it() -> None:
    one, two = nano("gemini-2.5-pro", input=150_000), nano("gemini-2.5-pro", input=300_000)
    assert (one, two) == (150_000 * 1250, 300_000 * 2500)


def test_r14_openai_bills_cached_input_and_reasoning_as_output_once() -> None:
    tokens: dict[str, Any] = {"input": 2000, "cache_read": 10_000, "output": 300, "reasoning": 1700}
    assert nano("gpt-5-codex", "openai", **tokens) == 2000 * 1250 + 10_000 * 125 + 2000 * 10_000
    assert nano("gpt-5-pro", "openai", cache_read=10) == 10 * 15_000  # no discount on cached input
    assert nano("gpt-5", "openai", cache_write=10) == 10 * 1250  # nothing extra for writing the cache


def test_r14_reasoning_and_a_request_have_prices_of_their_own_where_the_tables_say_so() -> None:
    assert nano("sonar-deep-research", "perplexity", input=10, output=10, reasoning=10) == 10 * (2000 + 8000 + 3000)
    assert nano("sonar", "perplexity", input=10, output=10) == 20 * 1000 + 12_000_000


def test_r14_gemini_bills_audio_and_long_context() -> None:
    assert nano("gemini-2.5-flash", "gemini", input=100, audio_in=1000, output=50) == 30_000 + 1_000_000 + 125_000
    assert nano("gemini-2.5-pro", "google", audio_in=1000, audio_out=10) == 1000 * 1250 + 10 * 10_000
    assert nano("gpt-realtime", "openai", audio_in=100, audio_out=100) == 100 * 32_000 + 100 * 64_000
    long: dict[str, Any] = {"input": 1, "cache_read": 200_000, "output": 10}
    assert nano("gemini-2.5-pro", "google", **long) == 2500 + 200_000 * 250 + 10 * 15_000


def test_r14_the_price_is_the_one_of_the_day_of_the_call_to_the_microsecond() -> None:
    cut = micros("2025-06-10T00:00:00")
    assert nano("o3", "openai", cut - 1, input=1000, output=1000) == 10_000_000 + 40_000_000
    assert nano("o3", "openai", cut, input=1000, output=1000) == 2_000_000 + 8_000_000
    end_of_surcharge = micros("2026-03-13T00:00:00")
    assert nano("claude-opus-4-6", None, end_of_surcharge - 1, input=300_000) == 300_000 * 10_000
    assert nano("claude-opus-4-6", None, end_of_surcharge, input=300_000) == 300_000 * 5000


def test_r14_the_price_is_the_one_of_the_hour_of_the_call_whatever_was_asked_before() -> None:
    peak, cheap = 1000 * 270, 1000 * 135
    for day in ("2026-01-15", "1999-12-31", "2026-02-28"):
        for hour, expected in (
            ("12:00:00", peak),
            ("00:29:59.999999", cheap),
            ("00:30:00", peak),
            ("16:29:59.999999", peak),
            ("16:30:00", cheap),
            ("00:00:00", cheap),
        ):
            assert nano("deepseek-chat", "deepseek", micros(f"{day}T{hour}"), input=1000) == expected


def test_r14_the_hours_of_a_later_price_list_do_not_touch_earlier_days() -> None:
    asked = [("2026-08-16T02:00:00", 435), ("2026-08-17T02:00:00", 1320), ("2026-08-17T05:00:00", 660)]
    for when, rate in asked:
        assert nano("deepseek-v4-pro", "deepseek", micros(when), input=1000) == 1000 * rate


@pytest.mark.parametrize(("tokens", "expected"), [(1, 38), (2, 75), (3, 112), (5, 188), (7, 262)])
def test_r14_exactly_half_a_nano_dollar_goes_to_the_even_side(tokens: int, expected: int) -> None:
    assert nano("gemini-flash-1.5-8b", "google", input=tokens) == expected  # 37.5 nano-dollars each


def test_r14_rounding_happens_once_not_per_kind() -> None:
    # 37.5 + 2 x 18.75 of the cheapest tables: rounded per kind these would be 38 + 38
    assert nano("gemini-1.5-flash", "google", cache_read=2) == 38
    assert nano("gemini-1.5-flash", "google", cache_read=4, input=1) == 150
    assert nano("gemini-1.5-flash", "google", cache_read=1) == 19


@given(st.integers(0, 10**30), st.integers(1, 10**12))
def test_half_even_is_exact_for_numbers_of_any_size(amount: int, per: int) -> None:
    assert half_even(amount, per) == round(Fraction(amount, per))


@pytest.mark.parametrize(
    ("model", "provider", "rate"),
    [
        ("claude-sonnet-4-5-20250929", None, 3000),
        ("claude-sonnet-4-5-20250929[1m]", "anthropic", 3000),
        ("Claude-Sonnet-4-5", " Anthropic ", 3000),
        ("anthropic/claude-sonnet-4-5", None, 3000),
        ("anthropic/claude-sonnet-4-5", "anthropic", 3000),
        ("anthropic/claude-sonnet-4-5", "litellm", 3000),
        ("anthropic/claude-sonnet-4.5", "openrouter", 3000),
        ("openrouter/anthropic/claude-sonnet-4.5", None, 3000),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", None, 3300),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic", 3300),
        ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", None, 3300),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws.bedrock", 3000),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-opus-4-5-20251101-v1:0", None, 5500),
        ("us.anthropic.claude-opus-4-6-v1", "amazon-bedrock", 5500),
        ("claude-3-5-sonnet-v2@20241022", "vertex_ai", 3000),
        ("publishers/anthropic/models/claude-opus-4-1@20250805", "gcp.vertex_ai", 15_000),
        ("claude-opus-4-20250514", None, 15_000),
        ("gpt-5-codex", None, 1250),
        ("gpt-5-2025-08-07", "openai", 1250),
        ("gpt-5.2-20251211", "openai", 1750),
        ("gpt-4o-2024-05-13", "azure", 5000),
        ("openai/gpt-5", None, 1250),
        ("models/gemini-2.5-pro", None, 1250),
        ("gemini-2.5-pro-preview-05-06", "gcp.gemini", 1250),
        ("gemini-2.5-flash-preview-tts", None, 500),
        ("accounts/fireworks/models/glm-5p1", "fireworks-ai", 1400),
        ("MiniMax-M2.1-highspeed", "minimax", 600),
    ],
)
def test_r14_models_are_known_by_the_names_that_agents_report(model: str, provider: str | None, rate: int) -> None:
    assert nano(model, provider, input=1000) == 1000 * rate


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        (None, None),
        ("", "anthropic"),
        ("   ", None),
        ("<synthetic>", None),
        ("<synthetic>", "anthropic"),
        ("claude-opus-9", None),
        ("claude-opus-4-10", None),  # begins like claude-opus-4-1
        ("claude-opus-4-12-20270101", "anthropic"),
        ("claude-haiku-4-50", None),
        ("us.anthropic.claude-opus-4-55-v1:0", None),
        ("us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", None),  # another price list
        ("claude-sonnet-4-6-thinking", None),
        ("not-claude-sonnet-4-5", "anthropic"),
        ("gpt-99", "openai"),
        ("gpt-5-codex-mini", None),
        ("gemini-2.5-pro-ultra", "google"),
        ("gpt-5", "anthropic"),
        ("anthropic/claude-sonnet-4-5", "openai"),
        ("claude-sonnet-4-5", "my-gateway"),
        ("claude-sonnet-4-5", "openai-compatible"),
        ("gpt-oss:20b", "ollama"),
        ("gpt-oss-120b", None),
        ("deepseek-r1:8b", None),
        ("gemma-3-27b-it", "google"),  # in the tables with an empty price list
        ("whisper-1", "openai"),  # sold by the hour
    ],
)
def test_r14_an_unknown_price_is_none_and_never_zero(model: str | None, provider: str | None) -> None:
    assert price(model, provider, Tokens(input=1000, output=1), AT) is None


def test_r14_zero_is_a_price_only_where_the_name_says_free() -> None:
    assert nano("openai/gpt-oss-20b:free", "openrouter", input=1000, output=5) == 0
    assert nano("openai/gpt-oss-20b:free", "openrouter", tier="batch", input=1000) is None
    assert nano("gpt-4.1", "github-copilot", input=1000) is None  # part of a subscription


def test_r14_tokens_of_a_kind_without_a_price_leave_the_whole_call_unpriced() -> None:
    assert nano("text-embedding-3-small", "openai", input=1000) == 20_000
    assert nano("text-embedding-3-small", "openai", input=1000, output=1) is None


@pytest.mark.parametrize(
    ("model", "provider", "tier", "expected"),
    [
        ("claude-opus-4-8", "anthropic", "fast", 1000 * 10_000 + 100 * 50_000),
        ("claude-opus-4-8", "anthropic", "batch", 1000 * 2500 + 100 * 12_500),
        ("claude-opus-4-8", "anthropic", "priority", None),
        ("claude-sonnet-4-5", "anthropic", "fast", None),
        ("gpt-5", "openai", "batch", 1000 * 625 + 100 * 5000),
        ("gpt-5", "openai", "flex", 1000 * 625 + 100 * 5000),
        ("gpt-5", "openai", "priority", 1000 * 2500 + 100 * 20_000),
        ("gpt-5", "openai", "fast", 1000 * 2500 + 100 * 20_000),
        ("gpt-5", "azure", "batch", None),  # the maker's tier is not the reseller's
        ("gemini-2.5-pro", "google", "batch", 1000 * 625 + 100 * 5000),
        ("gemini-2.5-pro", "google", "priority", None),
        ("gpt-5", "openai", "scale", None),
        ("gpt-5", "openai", "", None),
    ],
)
def test_r14_a_tier_has_its_own_price_or_none(model: str, provider: str, tier: str, expected: int | None) -> None:
    assert nano(model, provider, LISTED, tier, input=1000, output=100) == expected


def test_r14_a_batch_at_anthropic_is_half_also_before_the_tables_list_it_and_others_are_not() -> None:
    tokens: dict[str, Any] = {"input": 1000, "cache_read": 1000, "cache_write_1h": 1000, "output": 1000}
    for model in ("claude-sonnet-4-5", "claude-3-opus-20240229"):
        standard, batch = nano(model, **tokens), nano(model, tier="batch", **tokens)
        assert standard is not None
        assert batch is not None
        assert standard == 2 * batch
    assert nano("gpt-5", "openai", AT, "batch", input=1000) is None
    assert nano("us.anthropic.claude-opus-4-6-v1", None, AT, "batch", input=1000) is None


def test_r14_a_kind_that_a_tier_leaves_out_is_billed_as_usual() -> None:
    assert nano("gpt-4.1", "openai", LISTED, "batch", input=1000, cache_read=1000) == 1000 * 1000 + 1000 * 500


counts = st.integers(0, 10**9)
tokens_strategy = st.builds(Tokens, **dict.fromkeys(KINDS, counts))
untiered = st.sampled_from(
    [("claude-opus-4-1", None), ("gpt-5", "openai"), ("gemini-2.5-flash", "google"), ("o3", "openai")]
)
any_known = st.sampled_from(
    [("claude-sonnet-4-5", None), ("gemini-1.5-flash", None), ("gpt-5.4", None), ("grok-4", None)]
)


def cost(model: tuple[str, str | None], tokens: Tokens) -> int:
    found = price(*model, tokens, AT)
    assert found is not None
    return found.cost_nano


def times(tokens: Tokens, factor: int) -> Tokens:
    return Tokens(**{kind: factor * getattr(tokens, kind) for kind in KINDS})


@given(untiered, tokens_strategy, tokens_strategy)
def test_r14_costs_add_up_within_one_tier_but_for_one_rounding(
    model: tuple[str, str | None], one: Tokens, two: Tokens
) -> None:
    both = Tokens(**{kind: getattr(one, kind) + getattr(two, kind) for kind in KINDS})
    assert abs(cost(model, both) - cost(model, one) - cost(model, two)) <= 1
    assert cost(model, both) == sum(cost(model, Tokens(**{kind: getattr(both, kind)})) for kind in KINDS)


@given(untiered, tokens_strategy, st.integers(1, 1000))
def test_r14_costs_scale_with_the_tokens_within_one_tier(
    model: tuple[str, str | None], tokens: Tokens, factor: int
) -> None:
    assert cost(model, times(tokens, factor)) == factor * cost(model, tokens)


@given(any_known, tokens_strategy, st.sampled_from(KINDS), st.integers(1, 10**6))
def test_r14_a_cost_is_never_negative_and_never_falls_with_more_tokens(
    model: tuple[str, str | None], tokens: Tokens, kind: str, more: int
) -> None:
    grown = Tokens(**{name: getattr(tokens, name) + (more if name == kind else 0) for name in KINDS})
    assert 0 <= cost(model, tokens) <= cost(model, grown)


UNSOLD = {"fireworks"}  #: whose models are sold under a resource path, not under their ids here
USAGES = (
    Tokens(input=1234, cache_read=5678, cache_write=910, output=1112),
    Tokens(input=150_001, cache_read=300_000, output=777),
    Tokens(input=7, audio_in=13, output=3, audio_out=11),
    Tokens(input=1717),
)


@pytest.mark.parametrize("provider", [item.id for item in providers])
def test_r14_the_tables_own_arithmetic_comes_to_the_same_amounts(provider: str) -> None:
    seller = next(item for item in providers if item.id == provider)
    at = datetime(2026, 11, 5, 12, tzinfo=UTC)
    compared = 0
    for model in seller.models:
        for tokens in USAGES:
            found = price(model.id, provider, tokens, to_micros(at))
            if found is None or seller.find_model(model.id) is not model:
                continue
            usage = Usage(
                input_tokens=tokens.tokens_in,
                cache_read_tokens=tokens.cache_read,
                cache_write_tokens=tokens.cache_write,
                input_audio_tokens=tokens.audio_in,
                cache_audio_read_tokens=0,
                output_tokens=tokens.tokens_out,
                output_audio_tokens=tokens.audio_out,
            )
            theirs = model.calc_price(usage, seller, genai_request_timestamp=at).total_price
            assert found.cost_nano == round(theirs * 10**9), model.id
            compared += 1
    assert (compared == 0) == (provider in UNSOLD)


def test_names_of_providers_and_models_are_brought_to_one_form() -> None:
    assert provider_key("GCP.Vertex_AI") == "google"
    assert provider_key("azure.ai.openai") == "azure"
    assert provider_key("someone-else") == "someone-else"
    assert model_ref("ft:gpt-4o-mini-2024-07-18:acme::abc") == "ft:gpt-4o-mini-2024-07-18"
    assert is_bedrock("anthropic.claude-sonnet-4-20250514-v1:0")
    assert not is_bedrock("anthropic/claude-sonnet-4")


def test_importing_and_knowing_nothing_do_not_load_the_tables() -> None:
    code = (
        "import sys; from rollbook.pricing import price; from rollbook.model import Tokens;"
        "assert price('<synthetic>', None, Tokens(input=1), 0) is None;"
        "assert price('claude-sonnet-4-5', None, Tokens(input=1), 0, tier='other') is None;"
        "assert 'genai_prices' not in sys.modules;"
        "assert price('claude-sonnet-4-5', None, Tokens(input=1), 0).cost_nano == 3000;"
        "assert 'httpx' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_what_is_remembered_of_invented_names_is_bounded() -> None:
    for number in range(REMEMBERED + 100):
        assert price(f"invented-{number}", None, Tokens(input=1), AT) is None
    assert _regimes.cache_info().currsize <= REMEMBERED
