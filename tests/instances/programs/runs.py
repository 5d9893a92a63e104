"""Run a session until told to end: ``runs.py PLACE NAME [PARENT]``. Says its process id and its pid namespace."""

from __future__ import annotations

import sys

import rollbook
from rollbook import machine

path, name, *parent = sys.argv[1:]
book = rollbook.open(path if "://" in path else f"sqlite:///{path}")
with book.session(name, agent="worker", parent=parent[0] if parent else None) as session:
    session.record_usage(model="gpt-4o", tokens_in=1000)
    known = machine.this_process(0)
    print(known.pid, known.pid_namespace or "-", flush=True)
    sys.stdin.readline()
print("left", flush=True)
sys.stdin.readline()
