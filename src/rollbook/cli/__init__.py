"""The command line: parse, call, show. Rules live elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the status to exit with."""
    try:
        from rollbook.cli.app import run  # noqa: PLC0415 - so that Ctrl-C while this loads is handled here too

        status = run(sys.argv[1:] if arguments is None else list(arguments))
    except KeyboardInterrupt:
        sys.stderr.write("rollbook: interrupted\n")
        status = 130
    return _flushed(status)


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
