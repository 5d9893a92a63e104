"""The command line: parse, call, show. Rules live elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the status to exit with."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        status = _at_once(words) if "statusline" in words else None
        if status is None:
            from rollbook.cli.app import run  # noqa: PLC0415 - so that Ctrl-C while this loads is handled here too

            status = run(words)
    except KeyboardInterrupt:
        sys.stderr.write("rollbook: interrupted\n")
        status = 130
    return _flushed(status)


def _at_once(words: Sequence[str]) -> int | None:
    """A plain status line comes without the other commands, in a fraction of their time; None where it is not plain."""
    from rollbook.cli import statusline  # noqa: PLC0415

    ask = statusline.asked(words, os.environ)
    if ask is None or sys.stdin.isatty():
        return None
    try:
        return statusline.show(ask)
    except BrokenPipeError:
        return 141
    except OSError as error:
        sys.stderr.write(f"rollbook: {error.strerror}\n")
        return 1


def _flushed(status: int) -> int:
    """Hand over what is still buffered here, since at the interpreter's own exit a failure would be a traceback."""
    try:
        sys.stdout.flush()
    except OSError as error:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return status or 141
        if status == 0:
            sys.stderr.write(f"rollbook: {error.strerror}\n")
        return status or 1
    return status
