"""What a PostgreSQL URL says: where the server is, and in which schema of which database the book stands."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from rollbook.errors import InvalidInput

SCHEMA: Final = "rollbook"
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_FORM: Final = "postgresql://user@host:5432/database"


class Place(NamedTuple):
    """Where a book is."""

    conninfo: str  #: for the driver
    schema: str
    read_only: bool
    shown: str  #: to be shown: without a password


def parse(url: str) -> Place:
    """Read a URL. Our own options are ``schema`` and ``mode``; the others are the driver's. Raises InvalidInput."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidInput(f"not a PostgreSQL URL ({error}); write {_FORM}") from error
    if "@" in parts.path or parts.netloc.count("@") > 1 or parts.fragment:
        raise InvalidInput(f"in a password '/', '#' and '@' are written as %2F, %23 and %40; write {_FORM}")
    options = dict(parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True))
    schema, mode = options.pop("schema", SCHEMA), options.pop("mode", "rw")
    if not _SCHEMA.fullmatch(schema) or schema.startswith("pg_"):
        raise InvalidInput(f"a schema is named in small letters, digits and underscores, not {schema!r}")
    if mode not in ("rw", "ro"):
        raise InvalidInput(f"mode is rw or ro, not {mode!r}")
    if not parts.path.strip("/") and "dbname" not in options and "service" not in options:
        raise InvalidInput(f"the URL names no database; write {_FORM}")
    query = urlencode(options, quote_via=quote)
    conninfo = f"postgresql://{parts.netloc}{parts.path}{'?' if query else ''}{query}"
    user, at, host = parts.netloc.rpartition("@")
    shown = f"postgresql://{user.partition(':')[0]}{at}{host}{parts.path}"
    _understood(conninfo)
    return Place(conninfo, schema, mode == "ro", shown if schema == SCHEMA else f"{shown}?schema={schema}")


def _understood(conninfo: str) -> None:
    try:
        conninfo_to_dict(conninfo)
    except psycopg.Error:
        # What the driver says may hold the password.
        raise InvalidInput(
            f"the driver does not understand the URL: see to its port, its options, and that what is special in names "
            f"and passwords is written as %40 (@), %3A (:), %2F (/), %25 (%); write {_FORM}"
        ) from None
