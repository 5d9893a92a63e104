"""Names in Redis: no characters of an id reach another place's keys."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.errors import StoreError
from rollbook.journal.redis import keys as names
from rollbook.journal.redis.keys import Keys, Place, Register
from rollbook.journal.redis.node import key_slot
from rollbook.journal.shelf import Head, Line

_TRICKY = st.sampled_from(
    ["", "a", "A", "a:b", "b", ":", "{", "}", "{a}", "}{", "%", "%3A", "=", "/", "\\", "*", "[a]", "é", "😀", "x" * 512]
)
_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40).map(
    lambda text: unicodedata.normalize("NFC", text)
)
_IDS = _TRICKY | _TEXT | st.builds(lambda *parts: "".join(parts), _TRICKY, _TRICKY, _TEXT)
_PLACES = st.builds(Place, _IDS.filter(bool), st.none() | _IDS)


def keys_of(place: Place) -> set[bytes]:
    keys = Keys("p:", place)
    return {*keys.fixed, keys.state("s"), keys.state(place.who), keys.state("")}


@given(_PLACES, _PLACES)
def test_two_places_share_no_key_and_no_tag(one: Place, other: Place) -> None:
    assert (names.tag(one) == names.tag(other)) == (one == other)
    assert bool(keys_of(one) & keys_of(other)) == (one == other)


@given(_PLACES)
def test_every_key_of_a_place_is_in_one_slot_which_its_tag_alone_decides(place: Place) -> None:
    assert {key_slot(key) for key in keys_of(place)} == {key_slot(names.tag(place).encode())}


@given(_PLACES, _IDS, _IDS)
def test_the_states_of_two_sessions_stand_under_two_keys(place: Place, one: str, other: str) -> None:
    keys = Keys("p:", place)
    assert (keys.state(one) == keys.state(other)) == (one == other)
    assert not {keys.state(one), keys.state(other)} & set(keys.fixed)


@given(_PLACES, st.booleans())
def test_the_register_gives_back_what_was_entered(place: Place, fork: bool) -> None:
    assert Register.read(Register.member(place, fork=fork)) == (place, fork)


@given(_IDS)
def test_keys_are_plain_text_of_bounded_length(name: str) -> None:
    text = names.plain(name)
    assert text.isascii()
    assert len(text) <= 200
    assert not set(text) & set("{}:*?[]\\ ")


_POSITIONS = st.integers(1, 2**48 - 1)


@given(_IDS, _POSITIONS, st.sampled_from(["root", "", "fork", "=fork"]), st.floats(0, 1), st.binary())
def test_a_line_is_read_as_it_was_written(name: str, at: int, who: str, before: float, body: bytes) -> None:
    parent = None if before == 1 else min(int(before * at), at - 1)
    line = Line(at, name, who, parent, 1_700_000_000_000_000, body)
    assert names.line(names.member("a stream", at), names.written(line, "root"), "root") == line


@given(_POSITIONS, _POSITIONS)
def test_positions_sort_as_numbers(one: int, other: int) -> None:
    assert (names.at(one) < names.at(other)) == (one < other)


def test_an_entry_that_was_evicted_is_said() -> None:
    with pytest.raises(StoreError, match="noeviction"):
        names.line(names.member("qa", 1), None, "root")


def test_heads_and_states_are_read_as_they_were_written() -> None:
    head = Head('a"\\s', 'st"ream', "häd", 2**47, 3, 1_700_000_000_000_000, 2**47, 5, 6)
    # A session without a name is the user's own, and must not be taken for one of the meta's other fields.
    pairs = [names.head_field(head), names.head_value(head), names.state_field(""), b"7", names.state_field("e"), b"8"]
    found = names.meta([b"v", b"1:a", b"ve", b"1", b"vs", b"1", b"x", b"9", *pairs])
    assert list(found.heads.values()) == [head]
    assert found.states == {"": 7, "e": 8}
    assert (found.version, found.expires) == (b"1:a", True)
