"""Open and use a book, then fork workers that each run a session, as servers do that load before they fork.

``preloaded.py PATH COUNT``: each worker says its number and process id, then waits to be killed.
"""

from __future__ import annotations

import os
import signal
import sys

import rollbook

path, count = sys.argv[1], int(sys.argv[2])
book = rollbook.open(f"sqlite:///{path}")
with book.session("before"):
    for number in range(count):
        if os.fork() == 0:
            with book.session(f"worker-{number}"):
                sys.stdout.write(f"{number} {os.getpid()}\n")  # in one piece, beside the others
                signal.pause()
    sys.stdin.readline()
    for _ in range(count):
        os.wait()
    print("waited", flush=True)
    sys.stdin.readline()
book.close()
