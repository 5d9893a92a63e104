"""One of the processes that help with a large import: ``python -m rollbook.importers.hand``, spoken to over pipes."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
from typing import Any, Final

import msgspec

from rollbook.importers import source
from rollbook.importers.base import Context
from rollbook.importers.content import appended
from rollbook.importers.crew import Entries, Job, Part, Task, batches_of, packed, receive, send
from rollbook.inbox import Contents
from rollbook.ledger.ops import Call, End, Jot, Touch
from rollbook.pricing import Prices
from rollbook.rules.redaction import Redactor

_KINDS: Final = {Touch: "touches", End: "ends", Call: "calls"}


def main() -> None:
    """Read what is asked for until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other process's: it closes the pipe
    gc.disable()  # what is read refers to nothing in circles, and there is much of it
    into, out = sys.stdin.fileno(), sys.stdout.fileno()
    first = receive(into)
    if first is None:
        return
    job = msgspec.msgpack.decode(first, type=Job)
    kind = source(job.source)
    prices = Prices(job.prices)
    contents = Contents(job.most, Redactor() if job.redacts else None) if job.most else None
    context = Context(user_id=job.user_id, now=job.now, price=prices, contents=contents)
    prices.warm()
    send(out, packed(Part()))
    tasks = msgspec.msgpack.Decoder(Task)
    while (body := receive(into)) is not None:
        task = tasks.decode(body)
        for batch in batches_of(kind, task.found, task.known, context):
            if isinstance(batch, str):
                send(out, packed(Part(trouble=batch)))
                continue
            part = Part(file=batch.file, read=batch.read, skipped=batch.skipped, refused=batch.refused)
            for item in batch.items:
                if isinstance(item, Jot):
                    part.entries.append(Entries(item.session_id, item.at, item.flagged, appended(item)))
                    continue
                kind_of: list[Any] = getattr(part, _KINDS[type(item)])
                kind_of.append(item)
            send(out, packed(part))
        send(out, packed(Part(last=True)))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
