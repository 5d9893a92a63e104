"""What several routes are asked alike: parameters, and forms of what bodies hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from rollbook.rules import checks
from rollbook.rules.shapes import named
from rollbook.rules.shapes import optional as optional_name

Id = Annotated[str, named("A name or an id.")]
Name = Annotated[str, optional_name("A name; an empty one is none.")]
Title = Annotated[str, Meta(max_length=checks.MAX_TITLE_BYTES)]

_NOTHING: Final = b"{}"


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A session, by the path."""

    session_id: Id
    user_id: Id | None = None  #: whose, where it is not one's own


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a body holds; what it may not hold is refused."""


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """It is gone."""

    deleted: bool = True


def optional(kind: Any) -> Callable[[bytes], Any]:
    """What reads a body of a type that may be left out."""
    decode = msgspec.json.Decoder(kind).decode
    return lambda body: decode(body or _NOTHING)
