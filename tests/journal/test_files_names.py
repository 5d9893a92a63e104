"""Names of files: no two sessions share one on any file system, and none leaves the folder."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rollbook.errors import InvalidInput
from rollbook.journal.files.names import fork_name, is_fork, is_log, log_name, parse, user_name

_ids = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=512),
    st.text(st.sampled_from("aAbB%./\\~ -_éÉe\u0301\u017fK\u212a"), max_size=8),
)


def _folded(name: str) -> set[str]:
    """What careless file systems make of a name."""
    return {
        unicodedata.normalize(form, change(name))
        for form in ("NFC", "NFD", "NFKC", "NFKD")
        for change in (str.lower, str.upper, str.casefold)
    }


@given(_ids, _ids)
@example("a", "A")
@example("%41", "A")
@example("e\u0301", "\u00e9")
@example("x" * 128, "x" * 129)
@example("@" + "0" * 64, "x" * 200)
@example("K", "\u212a")
def test_two_ids_never_share_a_name(one: str, other: str) -> None:
    for name_of in (log_name, fork_name):
        assert (_folded(name_of(one)) & _folded(name_of(other)) == set()) == (one != other)


@given(_ids)
@example("")
@example("..")
@example("../../etc/passwd")
@example("/full/path")
@example("nul\0")
def test_a_name_is_one_plain_short_name_and_is_known_again(session_id: str) -> None:
    name, fork = log_name(session_id), fork_name(session_id)
    for each in (name, fork):
        assert not set(each) & set("/\\\0\n :")
        assert each.isascii()
        assert each == each.lower()
        assert each.startswith(("s-", "f-"))
        assert len(each + ".new") <= 143
    assert (is_log(name), is_fork(name)) == (True, False)
    assert (is_log(fork), is_fork(fork)) == (False, True)


@given(st.text(max_size=40))
@example("..")
@example("00000000-0000-5000-8000-00000000000A")
def test_only_a_uuid_is_a_user(user_id: str) -> None:
    with pytest.raises(InvalidInput):
        user_name(user_id)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(InvalidInput):
        log_name("\ud800")


def test_urls() -> None:
    assert str(parse("file:///a/b%20c")[0]) == "/a/b c"
    assert str(parse("file://localhost/a")[0]) == "/a"
    assert [parse(f"file:///a{end}")[1] for end in ("", "?fsync=always", "?fsync=never")] == [True, True, False]


@pytest.mark.parametrize(
    "url", ["file://a/b", "file://./a", "file://", "file:///a?mode=ro", "file:///a?fsync=", "file:///a%00b"]
)
def test_urls_that_cannot_be_read(url: str) -> None:
    with pytest.raises(InvalidInput):
        parse(url)
