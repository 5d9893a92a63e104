"""Cells of other systems' tables, which come as text: what they say, or InvalidInput where they say nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Final
from uuid import UUID

from rollbook.errors import InvalidInput
from rollbook.model import NANO, to_micros
from rollbook.rules import checks

Cell = bytes | str | None

_HEX: Final = re.compile(r"[0-9a-fA-F]{32}")
_DAY: Final = 10  #: characters of a date alone
_UUID_DIGITS: Final = 32


def text(cell: Cell, what: str) -> str | None:
    """A cell as text."""
    if not isinstance(cell, bytes):
        return cell
    try:
        return cell.decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"{what} is not UTF-8") from None


def shown(cell: Cell) -> str:
    """A cell as a message names it, whatever it holds."""
    return checks.said(cell.decode(errors="backslashreplace") if isinstance(cell, bytes) else cell)


def needed(cell: Cell, what: str) -> str:
    """A text that has to be there; it may be empty."""
    found = text(cell, what)
    if found is None:
        raise InvalidInput(f"{what} is missing")
    return found


def number(cell: Cell, what: str) -> int:
    """A whole number; nothing is 0."""
    said = text(cell, what)
    if said is None:
        return 0
    try:
        return int(said)
    except ValueError:
        raise InvalidInput(f"{what} is no whole number: {checks.said(said)}") from None


def nano(cell: Cell, what: str, per_dollar: int = 1) -> int:
    """An amount of money as nano-dollars, rounded half-even; of cents there are 100 ``per_dollar``. Nothing is 0."""
    said = text(cell, what)
    if said is None:
        return 0
    try:
        amount = Decimal(said)
    except InvalidOperation:
        raise InvalidInput(f"{what} is no number: {checks.said(said)}") from None
    if not amount.is_finite() or abs(amount) > checks.MAX_TOTAL_USD * per_dollar:
        raise InvalidInput(f"{what} is no amount of money: {checks.said(said)}")
    return int((amount * NANO / per_dollar).to_integral_value(ROUND_HALF_EVEN))


def moment(cell: Cell, what: str) -> int | None:
    """A time in microseconds: ISO 8601 with a T or a blank, with any number of digits; without a zone it is UTC."""
    said = text(cell, what)
    if said is None:
        return None
    try:
        found = datetime.fromisoformat(said.strip())
        micros = to_micros(found if found.tzinfo is not None else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise InvalidInput(f"{what} is no time: {checks.said(said)}") from None
    if len(said) <= _DAY:
        raise InvalidInput(f"{what} is a day and no time: {checks.said(said)}")
    if micros < checks.FIRST_TIME:
        raise InvalidInput(f"{what} is before the year 2000: {checks.said(said)}")
    return micros


def dashed(name: str) -> str:
    """An id; a UUID without its dashes gets them."""
    return str(UUID(name)) if _HEX.fullmatch(name) else name


def user(cell: Cell) -> str:
    """A user's name or id from a column of UUIDs.

    SQLite takes such a column's text for a number where it looks like one. A whole number is the id without its leading
    zeros; of one with an exponent the digits are lost.
    """
    said = needed(cell, "user_id")
    if said.isascii() and said.isdigit() and len(said) < _UUID_DIGITS:
        return said.zfill(_UUID_DIGITS)
    if re.fullmatch(r"-?[0-9.]+(e[+-]?[0-9]+)?|[+-]?Inf", said) and len(said) != _UUID_DIGITS:
        raise InvalidInput(f"user_id was stored as the number {said}, which has lost digits")
    return said


def dataset(cell: Cell) -> str | None:
    """The same of a dataset; one that is no UUID is none."""
    if cell is None:
        return None
    try:
        return checks.dataset(user(cell))
    except InvalidInput:
        raise InvalidInput(f"dataset_id is no UUID: {checks.said(text(cell, 'dataset_id'))}") from None
