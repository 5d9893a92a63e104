"""The body of an entry that is a JSON object: setting some of its fields, and the texts among them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Raw

from rollbook.errors import InvalidInput
from rollbook.journal.steps import Patch

_NULL: Final = b"null"
_fields: Final = msgspec.json.Decoder(dict[str, Raw])
_unreadable: Final = (msgspec.MsgspecError, RecursionError)


def patched(body: bytes, patch: Patch) -> tuple[bytes, str | None]:
    """What a patch makes of a body, and what a search is to find it by from then on; None: as before.

    Raises InvalidInput where the body is no JSON object.
    """
    new = merged(body, patch)
    return new, text_of(new, patch.text_of) if patch.text_of else None


def merged(body: bytes, patch: Patch) -> bytes:
    """A JSON object with other values for some of its fields; the others stay byte for byte."""
    new = {**_decoded(body), **patch.fields}
    for name, values in patch.inside.items():
        held = bytes(new.get(name, _NULL))
        new[name] = Raw(msgspec.json.encode({**({} if held == _NULL else _decoded(held)), **values}))
    return msgspec.json.encode(new)


def text_of(body: bytes, fields: Iterable[str]) -> str:
    """What a search is to find a JSON object by: the texts among some of its fields."""
    found = _decoded(body)
    # Only texts are decoded: another field may hold numbers that no float or 64 bits can.
    texts = [msgspec.json.decode(found[name], type=str) for name in fields if bytes(found.get(name, b""))[:1] == b'"']
    return "\n".join(filter(None, texts))


def _decoded(body: bytes) -> dict[str, Raw]:
    try:
        return _fields.decode(body)
    except _unreadable as error:
        raise InvalidInput(f"the entry is no JSON object, so it has no fields to set: {error}") from None
