"""Lines of a log: JSON, without contents and without anything secret."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from rollbook.rules.redaction import redact


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
