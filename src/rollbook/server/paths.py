"""Which route a request is for, by its path and method.

A path is looked up by its segments as they came; where it could be two, the one with more words and fewer parameters
goes first. A parameter is one segment that is not empty; ``{name:path}``, which stands last, is all that is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Generic, NamedTuple, TypeVar

from rollbook.server.routing import Route

T = TypeVar("T")

_REST: Final = ":path}"
_NOTHING: Final[dict[tuple[int, ...], dict[str, Any]]] = {}
_FILLED: Final = "{}"  #: what a parameter is taken to be where paths are compared


class Found(NamedTuple, Generic[T]):
    """What a path leads to."""

    answers: T | None  #: None: nothing there has the method
    named: dict[str, str]  #: parameters as they came
    methods: Iterable[str]  #: all that are there


class _Place(NamedTuple, Generic[T]):
    """A path of the table."""

    named: tuple[tuple[str, int], ...]  #: parameters, and which segment each is
    by_method: dict[str, T]


#: By the number of segments, for each choice of segments that are parameters: places by what else is in their paths.
_Known = dict[int, dict[tuple[int, ...], dict[str, _Place[T]]]]


class Paths(Generic[T]):
    """What answers each route of a table."""

    def __init__(self, made: Iterable[tuple[Route, T]]) -> None:
        self._whole: _Known[T] = {}
        self._open: _Known[T] = {}  #: paths that end with all that is left
        for route, answers in made:
            known = self._open if route.path.endswith(_REST) else self._whole
            segments = route.path.replace(_REST, "}").split("/")
            named = tuple((each[1:-1], at) for at, each in enumerate(segments) if each[:1] == "{")
            places = tuple(at for _, at in named)
            among = known.setdefault(len(segments), {}).setdefault(places, {})
            by_method = among.setdefault(_compared(segments, places), _Place(named, {})).by_method
            by_method.setdefault(route.method, answers)
            # A HEAD is answered like a GET, without the content, which the connection leaves out; a stream has but
            # content.
            if route.method == "GET" and not route.streams:
                by_method.setdefault("HEAD", answers)
        for known in (self._whole, self._open):
            for length, choices in known.items():
                known[length] = dict(sorted(choices.items(), key=lambda choice: len(choice[0])))

    def find(self, method: str, path: str) -> Found[T] | None:
        """What answers a method of a path; None where nothing is there."""
        segments = path.split("/")
        found = _found(self._whole, method, segments)
        if found is None:
            for length in self._open:
                if found is None and len(segments) >= length:
                    rest = "/".join(segments[length - 1 :])
                    found = _found(self._open, method, [*segments[: length - 1], rest])
        return found


def _found(known: _Known[T], method: str, segments: list[str]) -> Found[T] | None:
    other: Found[T] | None = None
    for places, among in known.get(len(segments), _NOTHING).items():
        place = among.get(_compared(segments, places))
        if place is None:
            continue
        named = {name: segments[at] for name, at in place.named}
        if "" not in named.values():
            found = Found(place.by_method.get(method), named, place.by_method)
            if found.answers is not None:
                return found
            other = other or found
    return other


def _compared(segments: list[str], places: tuple[int, ...]) -> str:
    """A path with the same in the place of each parameter."""
    if not places:
        return "/".join(segments)
    rest = segments.copy()
    for at in places:
        rest[at] = _FILLED
    return "/".join(rest)
