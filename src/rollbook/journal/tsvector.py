"""The words of texts in an index of PostgreSQL (GIN over tsvector), asked without any language of its own.

A tsvector keeps places up to 16,383 and 255 of one word. Of a longer text it is noted which words stand there more
often than that and how often; a phrase of such words is looked for in the text itself.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec

from rollbook.errors import StoreError
from rollbook.journal.found import Match, Wanted
from rollbook.rules import bodies, texts
from rollbook.rules.words import Query, Term, cut, relevance
from rollbook.store import Reading, Row

READ_MOST: Final = 200  #: long texts that one search reads
_AT_ONCE: Final = 500  #: matches whose words are fetched together
_LATEST: Final = 50_000  #: texts that are asked first
_WIDER: Final = 8  #: how many times more are asked next
_LAST: Final = 16_383  #: the highest place that is kept
_OFTEN: Final = 255  #: places that are kept of one word
_WORD_BYTES: Final = 2000  #: by which a word is known; an index takes 2,046
_BYTES: Final = 800_000  #: of all words of a text; an index takes 1 MiB, places included
_CUT: Final = "/"  #: behind what is left of a longer word; stands in no word
_LONG: Final = "/long"  #: stands among the words of a text whose places are not all kept
_FETCHED: Final = re.compile(r"'([^']*)':([\dA,]+)")
_counts: Final = msgspec.json.Decoder(dict[str, int])


def row_of(doc_no: int, user_no: int, root_no: int, created_at: int, text: str) -> Row:
    """What is kept of a text: its age and length, and whose it is and its words with their places."""
    words = cut(text)
    whose = f"'{_of_user(user_no)}' '{_of_root(user_no, root_no)}' "
    if len(words) <= _OFTEN and max(map(len, words), default=0) <= _WORD_BYTES // 4:
        # The server brings together what stands at several places.
        kept = " ".join([f"'{word}':{place}" for place, word in enumerate(words, 1)])
        return user_no, doc_no, created_at, len(words), whose + kept, None
    kept, many = _long(words)
    return user_no, doc_no, created_at, len(words), whose + kept, msgspec.json.encode(many).decode() if many else None


def _long(words: Sequence[str]) -> tuple[str, dict[str, int]]:
    """The words of a text with the places that can be kept; how often those are there whose places cannot."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(words, 1):
        places[word].append(place)
    kept, many, room = list[str](), dict[str, int](), _BYTES
    for word, found in places.items():
        key = _key(word)
        whole = key is word and len(found) <= _OFTEN and found[-1] <= _LAST
        if not whole:
            many[key] = many.get(key, 0) + len(found)
        listed = ",".join([str(place) for place in found[:_OFTEN] if place <= _LAST]) if key is word else ""
        room -= len(key) * 4
        if room > 0:
            kept.append(f"'{key}':{listed}" if listed else f"'{key}'")
    return " ".join([*kept, f"'{_LONG}'"] if many else kept), many


def _of_user(user_no: int) -> str:
    return f"/{user_no}"


def _of_root(user_no: int, root_no: int) -> str:
    return f"/{user_no}/{root_no}"


def _key(word: str) -> str:
    """By what the index knows a word."""
    if len(word) <= _WORD_BYTES // 4:
        return word
    data = word.encode()
    return word if len(data) <= _WORD_BYTES else data[:_WORD_BYTES].decode(errors="ignore") + _CUT


def expression(query: Query, user_no: int | None, root_no: int | None) -> str:
    """A query in the index's own language. Only whole words get into it, so nothing in them is taken for a sign."""
    parts = [] if user_no is None else [f"'{_of_user(user_no)}'"]
    if user_no is not None and root_no is not None:
        parts = [f"'{_of_root(user_no, root_no)}'"]
    parts += [_wanted(term) for term in query.wanted]
    parts += [f"!({_phrase(term, ' <-> ')})" for term in query.unwanted if not _is_cut(term)]
    return " & ".join(parts)


def _wanted(term: Term) -> str:
    if len(term.words) == 1:
        return _phrase(term, "")
    together = _phrase(term, " & ")
    rough = f"'{_LONG}' & {together}"
    return f"({rough})" if _is_cut(term) else f"({_phrase(term, ' <-> ')} | {rough})"


def _phrase(term: Term, sign: str) -> str:
    keys = [f"'{_key(word)}'" for word in term.words]
    if term.prefix and _key(term.words[-1]) is term.words[-1]:
        keys[-1] += ":*"
    return sign.join(keys)


def _is_cut(term: Term) -> bool:
    return any(_key(word) is not word for word in term.words)


def matches(tx: Reading, wanted: Wanted) -> Iterator[Match]:
    """What fits, the latest first."""
    tx.rows("journal.plan_search")
    last, usual = tx.rows("journal.latest_texts")[0]
    keys = _latest(tx, wanted, last)
    terms = [*wanted.query.wanted, *wanted.query.unwanted]
    whole = sorted({_key(word) for term in terms for word in (term.words[:-1] if term.prefix else term.words)})
    begun = sorted({_key(term.words[-1]) for term in terms if term.prefix})
    reader = _Reader(tx)
    while portion := list(islice(keys, _AT_ONCE)):
        users, docs = (_array(column) for column in zip(*portion, strict=True))
        for row in tx.rows("journal.matched", users=users, docs=docs, whole=whole, begun=begun):
            *place, size, counts, words = row
            found = _Text(reader, place, words, counts).counts(wanted.query)
            if found is not None:
                yield Match._make([*place, relevance(found, size, usual)])


def _latest(tx: Reading, wanted: Wanted, last: int) -> Iterator[tuple[int, int]]:
    """The keys of texts that may fit, the latest first.

    The latest texts are asked first, and then ever more: what stands in every text is found without meeting all.
    """
    asked = expression(wanted.query, wanted.user_no, wanted.root_no)
    left, width = wanted.most, _LATEST
    while left > 0 and last > 0:
        after = last - width
        for user_no, doc_no, created_at in tx.each("journal.matches", query=asked, after=after, last=last, most=left):
            left -= 1
            if not wanted.since or created_at >= wanted.since:
                yield user_no, doc_no
        last, width = after, width * _WIDER


def _array(numbers: Iterable[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"


class _Reader:
    """Reads the words of long texts, up to so many."""

    def __init__(self, tx: Reading) -> None:
        self._tx = tx
        self._left = READ_MOST

    def words(self, place: list[int]) -> str:
        """The words of an entry with spaces around them; none where it is damaged, or enough were read."""
        if not self._left:
            return ""
        self._left -= 1
        at = dict(zip(("user_no", "root_no", "stream_no", "position"), place, strict=False))
        stream = self._tx.rows("journal.stream_name", stream_no=at["stream_no"])[0][0]
        body = self._tx.rows("journal.line_at", **at)[0][-1]
        try:
            return f" {' '.join(cut(texts.text_of(stream, bodies.decoded(msgspec.Raw(body.encode())))))} "
        except StoreError:
            return ""


class _Text:
    """A text that may fit."""

    def __init__(self, reader: _Reader, place: list[int], words: str, counts: str | None) -> None:
        self._reader = reader
        self._place = place
        self._places: Mapping[str, list[int]] = {
            word: [int(at.rstrip("A")) for at in listed.split(",")] for word, listed in _FETCHED.findall(words)
        }
        self._many = _counts.decode(counts) if counts else {}
        self._words: str | None = None

    def counts(self, query: Query) -> list[int] | None:
        """How often it holds each of what is wanted; None where it does not fit."""
        found = []
        for term in query.wanted:
            count = self._count(term)
            if not count:
                return None
            found.append(count)
        if any(self._count(term) for term in query.unwanted if self._unsure(term)):
            return None
        return found

    def _unsure(self, term: Term) -> bool:
        """Whether the index cannot tell of a text where a term is in it."""
        if not self._many or (len(term.words) == 1 and not _is_cut(term)):
            return False
        return any(self._keys(term, at) & self._many.keys() for at in range(len(term.words)))

    def _keys(self, term: Term, at: int) -> set[str]:
        """The words of the text that may stand at a place of a term."""
        word = term.words[at]
        key = _key(word)
        if not term.prefix or at < len(term.words) - 1 or key is not word:
            return {key}
        return {one for one in (*self._places, *self._many) if one.startswith(word)}

    def _count(self, term: Term) -> int:
        if self._unsure(term):
            return self._read(term)
        keys = [self._keys(term, at) for at in range(len(term.words))]
        if len(keys) == 1:
            return sum(self._many.get(key) or len(self._places.get(key, ())) for key in keys[0])
        first, *others = ({place for key in each for place in self._places.get(key, ())} for each in keys)
        return sum(all(start + at in each for at, each in enumerate(others, 1)) for start in first)

    def _read(self, term: Term) -> int:
        if self._words is None:
            self._words = self._reader.words(self._place)
        return _occurrences(self._words, term)


def _occurrences(text: str, term: Term) -> int:
    """How often a term stands in words with spaces around them."""
    sought = f" {' '.join(term.words)}" + ("" if term.prefix else " ")
    count, at = 0, text.find(sought)
    while at >= 0:
        count, at = count + 1, text.find(sought, at + 1)
    return count
