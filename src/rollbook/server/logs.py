"""Lines of a log: JSON, without contents and without anything secret."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import Final

from rollbook.rules.redaction import redact

_EVERY_S: Final = 60.0


class Lines(logging.Formatter):
    """A record as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line. Whatever a message or an error says goes through the redaction of secrets."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname.lower(), "message": redact(record.getMessage())}
        line |= getattr(record, "facts", {})
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class Seldom(logging.Filter):
    """Lets a warning pass once a minute: of what anybody can bring about by asking, nobody shall fill a disk."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is told; of errors each is."""
        if record.levelno > logging.WARNING:
            return True
        now = time.monotonic()
        if now - self._told.get(record.msg, -_EVERY_S) < _EVERY_S:
            return False
        self._told[record.msg] = now
        return True
