"""Words: what a search asks for, how texts are cut into words, and where in a text they stand.

Words are runs of letters and digits, whatever their case and accents. Scripts that are written without spaces have no
runs to go by: there every sign is a word, and a run of them is a phrase.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Final, NamedTuple

from rollbook.errors import InvalidInput
from rollbook.rules import checks

INDEXED_MOST: Final = 64 << 10  #: characters of one entry by which it is found
MOST_CHARS: Final = 1000  #: of what is looked for
MOST_TERMS: Final = 32
PREFIX_LEAST: Final = 3  #: letters that a beginning of words has; fewer begin too many words
_SNIPPET: Final = 160  #: characters
_BEFORE: Final = 50  #: of them before the first match
_OPEN, _CLOSE, _CUT = "[", "]", "…"

#: Thai and Lao, Burmese, Khmer, kana, Han, Hangul.
_SIGNS: Final = (
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
#: Marks that belong to the word around them, as vowels do: Cyrillic, Hebrew, Arabic, the scripts of India, Tibetan.
_MARKS: Final = (
    "\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u0900-\u0963\u0966-\u0dff\u0f71-\u0f84"
)
_ACCENTS: Final = "[\u0300-\u036f]+"
_WORDS: Final = f"[{_SIGNS}]|(?:(?![{_SIGNS}])(?:[^\\W_]|[{_MARKS}]))+"
_SIGN: Final = f"[{_SIGNS}]"
#: A phrase in quotes or a run without spaces, each with a minus before it or a star behind it.
_TERMS: Final = r'(?<!\S)(-(?=[\w"]))?(?:"([^"]*)"|(\S+?))(\*?)(?=\s|$)'
#: A letter with everything that is written above, below or into it, or that it is composed with.
_LETTERS: Final = f"(?s:.)[\u0300-\u036f\u1160-\u11ff\u3099\u309a\uff9e\uff9f{_MARKS}]*"
_compiled: Final = cache(re.compile)  #: where it is first used, since only searches and words beyond ASCII need it
_SOFTENING: Final = 1.2  #: how soon more of the same word says no more
_LENGTH: Final = 0.75  #: how much less a word says in a long text


class Term(NamedTuple):
    """Words that stand one behind the other."""

    words: tuple[str, ...]
    prefix: bool  #: the last one is only the beginning of a word


class Query(NamedTuple):
    """What every text that is found holds, and what none does."""

    wanted: tuple[Term, ...]
    unwanted: tuple[Term, ...]


class Place(NamedTuple):
    """Where a text was found."""

    score: float
    snippet: str


def parse(text: str) -> Query:
    """What somebody asks for: words, "phrases in quotes", beginnings* and -words that must not be there.

    Whatever else is typed is plain text. Raises InvalidInput for what has no words to look for, or too many.
    """
    if not isinstance(text, str):
        raise InvalidInput(f"what to search for must be text, not {type(text).__name__}")
    if len(text) > MOST_CHARS:
        raise InvalidInput(f"what to search for has {len(text)} characters; at most {MOST_CHARS} are allowed")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput("what to search for contains a lone surrogate, which is not text") from None
    wanted: list[Term] = []
    unwanted: list[Term] = []
    for minus, phrase, word, star in _compiled(_TERMS).findall(text):
        if term := _term(phrase or word, prefix=bool(star)):
            (unwanted if minus else wanted).append(term)
    if not wanted:
        raise InvalidInput(f"there is no word to search for in {checks.said(text)}; give at least one")
    if len(wanted) + len(unwanted) > MOST_TERMS:
        raise InvalidInput(f"at most {MOST_TERMS} words and phrases can be searched for at once")
    return Query(tuple(dict.fromkeys(wanted)), tuple(dict.fromkeys(unwanted)))


def _term(text: str, *, prefix: bool) -> Term | None:
    words = tuple(_compiled(_WORDS).findall(folded(text)))
    if not words:
        return None
    if not prefix or _compiled(_SIGN).match(words[-1]):
        return Term(words, prefix=False)
    if len(words[-1]) < PREFIX_LEAST:
        raise InvalidInput(f"{text}* begins too many words; give at least {PREFIX_LEAST} letters before the star")
    return Term(words, prefix=True)


def folded(text: str) -> str:
    """A text without what a search does not care for: case, accents, variants of the same letter."""
    if text.isascii():
        return text.lower()
    bare = _compiled(_ACCENTS).sub("", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", bare)


def indexed(text: str) -> str:
    """A text as an index of words takes it: the words that it begins with, folded, with spaces between them."""
    text = text[:INDEXED_MOST]
    return text if text.isascii() else " ".join(_compiled(_WORDS).findall(folded(text)))


def cut(text: str) -> list[str]:
    """The words that a text is found by, folded, in their order."""
    text = folded(text[:INDEXED_MOST])
    found: list[str] = _compiled("[a-z0-9]+" if text.isascii() else _WORDS).findall(text)
    return found


def relevance(counts: list[int], length: int, average: float) -> float:
    """How well a text fits, by how often it holds what was asked for and how long it is.

    The usual measure (BM25) without the rarity of words: all that is found holds every word, and counting how rare a
    word is among everybody's texts takes the longer the more there are.
    """
    spread = _SOFTENING * (1 - _LENGTH + _LENGTH * length / average) if average else _SOFTENING
    return sum(count * (_SOFTENING + 1) / (count + spread) for count in counts if count)


class Finder:
    """Looks for what was asked in texts."""

    def __init__(self, query: Query) -> None:
        self._wanted = [_pattern(term) for term in query.wanted]
        self._unwanted = [_pattern(term) for term in query.unwanted]
        self._any = re.compile("|".join(f"(?:{one.pattern})" for one in self._wanted))

    def place(self, text: str, average: float) -> Place | None:
        """Where a text holds what was asked, and how well; ``average`` is the usual length of texts in characters."""
        text = text[:INDEXED_MOST]
        flat, _ = _flat(text)
        if any(one.search(flat) for one in self._unwanted):
            return None
        counts = [sum(1 for _ in one.finditer(flat)) for one in self._wanted]
        if not all(counts):
            return None
        return Place(relevance(counts, len(text), average), self.snippet(text))

    def snippet(self, text: str) -> str:
        """The words around the first match, on one line, with every match in brackets."""
        text = text[:INDEXED_MOST]
        flat, places = _flat(text)
        first = self._any.search(flat)
        start = 0 if first is None else max(0, _at(places, first.start()) - _BEFORE)
        end = min(len(text), start + _SNIPPET)
        if first is not None:  # a long phrase is shown whole
            end = min(len(text), max(end, _at(places, first.end())))
        start, end = _to_words(text, start, end)
        parts, at = [_CUT if start else ""], start
        for match in self._any.finditer(flat):
            left, right = _at(places, match.start()), _at(places, match.end())
            if left >= at and right <= end:
                parts += [text[at:left], _OPEN, text[left:right], _CLOSE]
                at = right
            elif left > end:
                break
        parts += [text[at:end], _CUT if end < len(text) else ""]
        return " ".join("".join(parts).split())


def _pattern(term: Term) -> re.Pattern[str]:
    """A term as it stands in a flat text."""
    parts = []
    for at, word in enumerate(term.words):
        sign, before = _compiled(_SIGN).match(word), _compiled(_SIGN).match(term.words[at - 1])
        if at == 0:
            parts.append("" if sign else rf"(?:(?<![^\W_])(?<![{_MARKS}])|(?<=[{_SIGNS}]))")
        else:
            parts.append(r"[\W_]*" if sign or before else r"[\W_]+")
        parts.append(re.escape(word))
    if term.prefix:
        parts.append(r"[^\W_]*")
    elif not _compiled(_SIGN).match(term.words[-1]):
        parts.append(rf"(?:(?![^\W_]|[{_MARKS}])|(?=[{_SIGNS}]))")
    return re.compile("".join(parts))


def _flat(text: str) -> tuple[str, list[int] | None]:
    """A text folded letter by letter, and for each letter where it stood; None: where it stands."""
    if text.isascii():
        return text.lower(), None
    pieces: list[str] = []
    places: list[int] = []
    for match in _compiled(_LETTERS).finditer(text):
        piece = _folded_letter(match[0])
        pieces.append(piece)
        places += [match.start()] * len(piece)
    places.append(len(text))
    return "".join(pieces), places


@lru_cache(maxsize=65_536)
def _folded_letter(letter: str) -> str:
    return folded(letter)


def _at(places: list[int] | None, flat: int) -> int:
    return flat if places is None else places[flat]


def _to_words(text: str, start: int, end: int) -> tuple[int, int]:
    """A stretch of a text without the word that it would begin or end within, unless that is all there is."""
    if start:
        space = next((at for at in range(start, min(start + _BEFORE, end)) if text[at].isspace()), None)
        start = start if space is None else space + 1
    if end < len(text) and not text[end].isspace():
        space = next((at for at in range(end, max(end - _BEFORE, start), -1) if text[at - 1].isspace()), None)
        end = end if space is None else space - 1
    return start, end


def strings(value: object) -> Iterator[str]:
    """Every text within plain JSON values; names of fields are none."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting.extend(reversed(one.values()))
        elif isinstance(one, list | tuple):
            waiting.extend(reversed(one))
