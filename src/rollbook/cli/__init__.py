"""The command line: parse, call, show. Rules live elsewhere."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

_INTERRUPTED: Final = 130
_WRONG_USE: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the status to exit with. Without arguments it is the whole of a program, which ends with it."""
    whole = arguments is None
    try:
        _opened()
        status = _flushed(_run(sys.argv[1:] if arguments is None else list(arguments)))
        if whole:
            _deaf()
    except KeyboardInterrupt:
        if whole:
            _deaf()
        sys.stderr.write("rollbook: interrupted\n")
        status = _flushed(_INTERRUPTED)
    return status


def _run(words: Sequence[str]) -> int:
    if "hook" in words:
        return _hooked(words)
    status = _at_once(words) if "statusline" in words else None
    return _ordinary(words) if status is None else status


def _ordinary(words: Sequence[str]) -> int:
    from rollbook.cli.app import run  # noqa: PLC0415 - so that Ctrl-C while this loads is handled here too

    return run(list(words))


def _hooked(words: Sequence[str]) -> int:
    """An agent's event goes to the spool at once. Status 2 would tell the agent to stop, so it is never that."""
    from rollbook.cli import hook  # noqa: PLC0415

    ask = hook.asked(words)
    if ask is None or sys.stdin.isatty():
        status = _ordinary(words)
        return 1 if status == _WRONG_USE and hook.is_meant(words) else status
    return hook.show(ask)


def _opened() -> None:
    """A standard stream that is closed is nowhere: nothing to read, nobody to ask, nobody who looks.

    The lowest free descriptor is the closed stream's own, so that no file of ours can come to be in its place.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123, SIM115 - for as long as the program lives
            os.set_inheritable(nowhere.fileno(), True)
            setattr(sys, name, nowhere)


def _deaf() -> None:
    """From here on all is said and done: a Ctrl-C while the interpreter takes itself apart changes nothing of it."""
    with contextlib.suppress(ValueError):  # not in the main thread, which alone gets signals
        signal.signal(signal.SIGINT, signal.SIG_IGN)


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
        if status == _INTERRUPTED:  # whoever reads it may be the one that was waited for
            _drop()
        sys.stdout.flush()
    except OSError as error:
        _drop()
        if isinstance(error, BrokenPipeError):
            return status or 141
        if status == 0:
            sys.stderr.write(f"rollbook: {error.strerror}\n")
        return status or 1
    return status


def _drop() -> None:
    """Let go of whoever reads standard output, and of what is still buffered for them."""
    with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - it may be no file at all
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
