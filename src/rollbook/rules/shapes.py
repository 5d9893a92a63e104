"""How what is acceptable is described to others, as JSON Schema: the words beside the checks, which stay the judges.

A schema counts characters where the book counts bytes, so a name near the limit may fit the one and not the other.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from rollbook.rules import checks

_NO_CONTROL: Final = r"[^\u0000-\u001f\u007f-\u009f]"
_NO_BLANK: Final = r"[^\u0000-\u001f\u007f-\u009f\s]"
_NAMED: Final = f"{_NO_CONTROL}*{_NO_BLANK}{_NO_CONTROL}*"
_DAY: Final = (
    "[0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
)
_LEAP: Final = "[0-9]([02468][048]|[13579][26])-02-29"
_CLOCK: Final = r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_MOMENT: Final = f"({_DAY}|{_LEAP}){_CLOCK}"  #: behind the first figure of the year
_FIRST_S: Final = checks.FIRST_TIME // 1_000_000
_LAST_S: Final = checks.LAST_TIME // 1_000_000


def said(text: str, most: int | None = None, **schema: Any) -> Meta:
    """What something means, and what a description says of it beside its type."""
    if most is not None:
        schema["maxLength"] = most
    return Meta(description=text, extra_json_schema=schema or None)


def named(text: str, most: int = checks.MAX_ID_BYTES) -> Meta:
    """A name or an id: not empty, without control characters."""
    return said(text, most, minLength=1, pattern=f"^{_NAMED}$")


def optional(text: str, most: int = checks.MAX_MODEL_BYTES) -> Meta:
    """A name that may be empty, which is none."""
    return said(text, most, pattern=f"^({_NAMED})?$")


#: A time from the year 2000 on: RFC 3339 with a zone, or seconds since 1970.
Moment = (
    Annotated[str, Meta(extra_json_schema={"pattern": f"^2{_MOMENT}$"})]
    | Annotated[float, Meta(extra_json_schema={"minimum": _FIRST_S, "maximum": _LAST_S})]
)

#: The start of a range.
Since = Annotated[
    str,
    said(
        "The start of a range: an RFC 3339 time, a span such as `36h` or `90d`, or `all`.",
        pattern=f"^([1-9][0-9]{{0,5}}[hd]|all|[12]{_MOMENT})$",
    ),
]

#: The end of a range.
Until = Annotated[
    str,
    said(
        "The end of a range, not in it: said like its start.",
        pattern=f"^([1-9][0-9]{{0,5}}[hd]|all|[12]{_MOMENT})$",
    ),
]

#: Dollars as a decimal number in a text, which loses nothing.
Amount = Annotated[str, Meta(extra_json_schema={"pattern": r"^[0-9]{1,6}(\.[0-9]{1,12})?$"})]
