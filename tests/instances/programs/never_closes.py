"""Run a session that is ended by nothing, and end without closing the book: ``never_closes.py PATH``."""

from __future__ import annotations

import sys

import rollbook

book = rollbook.open(f"sqlite:///{sys.argv[1]}")
handle = book.session("left open")
handle.__enter__()
print(len(book._plans.presence.instance_id), flush=True)
