"""The language in which sessions are asked for: what it reads, what it refuses, and that it says again what it read."""

from __future__ import annotations

from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollbook.errors import InvalidInput
from rollbook.model import MICROS, NANO
from rollbook.rules.checks import FIRST_TIME
from rollbook.rules.query import FIELDS, MAX_CHARS, MAX_TERMS, Query, Term, parse
from rollbook.rules.query_values import Ago, Moment, Pattern

DAY = 86_400 * MICROS


def _one(text: str) -> Term:
    (term,) = parse(text).terms
    return term


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("  \t\n", ""),
        ("status:abandoned", "status:abandoned"),
        ("STATUS=Failed,crashed", "status:failed,unknown"),
        ("-agent:codex", "-agent:codex"),
        ("model:claude-*-4-5*", "model:claude-*-4-5*"),
        ("model:**a***b", "model:*a*b"),
        ("agent:*", "agent:*"),
        ('project:"/srv/my shop"*', 'project:"/srv/my shop"*'),
        ('agent:"a*b"', 'agent:"a*b"'),
        ('agent:"plain"', "agent:plain"),
        ("agent:none", "agent:none"),
        ('agent:"none"', 'agent:"none"'),
        ("parent:none", "parent:none"),
        ("user:Ann@Example.org,ben", "user:Ann@Example.org,ben"),
        ("dataset:0000000000000000000000000000000A", "dataset:00000000-0000-0000-0000-00000000000a"),
        ("cost>$5", "cost>5"),
        ("cost<=0.10", "cost<=0.1"),
        ("cost_usd:1e-9", "cost:0.000000001"),
        ("tokens_in>1.5M tokens_out<10k", "tokens_in>1500000 tokens_out<10000"),
        ("calls=0", "calls:0"),
        ("errors>0 turns>=3 late>0 attempt>1", "errors>0 turns>=3 late>0 attempt>1"),
        ("duration>90m", "duration>90m"),
        ("duration>120m", "duration>2h"),
        ("unpriced:TRUE", "unpriced:yes"),
        ("since:7d", "active>=1w"),
        ("active:36h", "active>=36h"),
        ("since:2026-05-01", "active>=2026-05-01"),
        ("started>2026-05-01", "started>2026-05-01"),
        ("started:2026-05-01", "started:2026-05-01"),
        ("ended<2026-05-01T12:00+02:00", "ended<2026-05-01T10:00:00.000000+00:00"),
        ("started<2026-05-01T12:00", "started<2026-05-01T12:00:00.000000+00:00"),
        ('free "some text" -not', '"free" "some text" -"not"'),
        ("text:begin", '"begin"'),
        (r'"say \"so\" \\ here"', r'"say \"so\" \\ here"'),
        ('"status:failed"', '"status:failed"'),
        ("-status:failed -text:x", '-status:failed -"x"'),
        ("100% a_b", '"100%" "a_b"'),
        ("ab,c*d", '"ab,c*d"'),
    ],
)
def test_a_query_and_its_canonical_text(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical
    assert parse(canonical) == parse(text)


def test_values_are_what_they_say() -> None:
    assert _one("cost>0.25").value == NANO // 4
    assert _one("started:2000-01-02").value == Moment(FIRST_TIME + DAY, FIRST_TIME + 2 * DAY)
    assert _one("started>2d").value == Ago(2 * DAY)
    assert _one("agent:a*").value == (Pattern(("a", "")),)
    assert _one("-unpriced:no") == Term("unpriced", ":", False, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modle:opus", "at character 1: there is no field 'modle'; fields are status, agent, model"),
        ("a http://x", "at character 3: there is no field 'http'.*in quotes"),
        ("status:bust", "at character 8: there is no status 'bust'; it is one of running, completed"),
        ("status:fail*", "at character 8: there is no status"),
        ("kind:none", "at character 6: there is no kind 'none'"),
        ("status>failed", "at character 1: status takes no >, only :"),
        ("since>7d", "since takes no >, only :"),
        ("cost>", "at character 6: cost has no value; write dollars"),
        ("cost>five", "cost cannot be 'five'; write dollars"),
        ("cost>-1", "cost cannot be"),
        ("cost>nan", "cost cannot be"),
        ("cost>1_000", "cost cannot be"),
        ("cost>1e40", "cost cannot be"),
        ("calls>1.5", "calls cannot be '1.5'; write a number"),
        ("calls>99999999999999999999", "calls cannot be"),
        ("duration>10", "duration cannot be '10'; write a span"),
        ("started>soon", "started cannot be 'soon'; write a span or a time"),
        ("started>1999-12-31", "started cannot be"),
        ("started>2026-13-01", "started cannot be"),
        ("since:all", "since cannot be 'all'"),
        ("unpriced:maybe", "write unpriced:yes or unpriced:no"),
        ('agent:"open', "at character 7: this quote has no end"),
        ('"open', "at character 1: this quote has no end"),
        ("agent:", "agent has no value"),
        ("agent: codex", "at character 7: agent has no value"),
        ("agent:a,,b", "agent has an empty value"),
        ('agent:""', "agent has an empty value"),
        ("dataset:x", "dataset_id must be a UUID"),
        ("-", "at character 2: there is nothing to look for"),
        ('""', "at character 1: there is nothing to look for"),
        ("text:", "at character 6: there is no text"),
        ("agent:" + "a" * 5000, "at most 4000 characters"),
        ("agent:\x00", "NUL"),
        ("\ud800", "surrogate"),
        ("a " * (MAX_TERMS + 1), "at most 40 terms"),
        ("é" * 600, "at most 1024 bytes"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse(text)


def test_only_text_is_read() -> None:
    with pytest.raises(InvalidInput, match="must be text"):
        parse(7)  # type: ignore[arg-type]


_texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12).map(
    lambda text: normalize("NFC", text)
)
_names = st.one_of(
    st.lists(_texts, min_size=1, max_size=1),
    st.tuples(st.one_of(st.just(""), _texts), st.lists(_texts, max_size=2), st.one_of(st.just(""), _texts)).map(
        lambda parts: [parts[0], *parts[1], parts[2]]
    ),
).map(lambda parts: Pattern(tuple(parts)))
_spans = st.integers(1, 10**6).map(lambda seconds: seconds * MICROS)
_days = st.integers(0, 20_000).map(lambda day: Moment(FIRST_TIME + day * DAY, FIRST_TIME + (day + 1) * DAY))
_moments = st.integers(FIRST_TIME, FIRST_TIME + 9 * 10**14).map(lambda at: Moment(at, at + 1))


@st.composite
def _terms(draw: st.DrawFn) -> Term:
    name = draw(st.sampled_from([*FIELDS, "text"]))
    negated = draw(st.booleans())
    if name == "text":
        said = draw(_texts.filter(lambda text: not text.isspace()))
        return Term("text", ":", (Pattern((said,)),), negated)
    field = FIELDS[name]
    sign = draw(st.sampled_from(field.signs))
    if field.kind == "word":
        words = draw(st.lists(st.sampled_from(field.words), min_size=1, max_size=3))
        return Term(name, sign, tuple(Pattern((word,)) for word in words), negated)
    if field.kind == "name":
        one = st.uuids().map(lambda each: Pattern((str(each),))) if name == "dataset" else _names
        if field.may_lack:
            one = st.one_of(one, st.just(Pattern(())))
        return Term(name, sign, tuple(draw(st.lists(one, min_size=1, max_size=3))), negated)
    if field.kind == "time":
        value = draw(st.one_of(_days, _moments) if sign == ":" else st.one_of(_days, _moments, _spans.map(Ago)))
        return Term(name, sign, value, negated)
    amounts = {"yes": st.booleans(), "span": _spans}.get(field.kind, st.integers(0, 10**17))
    return Term(name, sign, draw(amounts), negated)


@settings(max_examples=400, deadline=None)
@given(st.lists(_terms(), max_size=6).map(lambda terms: Query(tuple(terms))))
def test_every_query_is_read_again_from_its_text(query: Query) -> None:
    text = str(query)
    if len(text) <= MAX_CHARS:
        assert parse(text) == query


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from('-:<>=*,"\\ .$17kdm'),
            st.sampled_from(["status", "cost", "agent", "since", "none", " started"]),
            st.characters(codec="utf-8"),
        ),
        max_size=30,
    ).map("".join)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        query = parse(text)
    except InvalidInput:
        return
    assert parse(str(query)) == query


@settings(max_examples=300, deadline=None)
@given(_names, _texts)
def test_a_pattern_fits_what_its_parts_surround(pattern: Pattern, filling: str) -> None:
    if len(pattern.parts) == 1:
        assert pattern.fits(pattern.parts[0])
        assert not pattern.fits(pattern.parts[0] + filling)
    else:
        assert pattern.fits(filling.join(pattern.parts) or "x")
    assert not pattern.fits("")
    assert not pattern.fits(None)
