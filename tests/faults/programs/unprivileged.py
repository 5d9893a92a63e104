"""Try to open and use a book as somebody who may not do everything: ``unprivileged.py URL [BACKUP]``."""

from __future__ import annotations

import os
import sys
import tempfile

import rollbook

NOBODY = 65534


def main(url: str, copy: str = "") -> None:
    # What will be needed is loaded before: afterwards the interpreter's own files may be out of reach.
    with rollbook.open("sqlite:///:memory:") as book:
        book.record_usage("s", tokens_in=1)
        book.get("s")
        book.verify()
        book.backup(f"{tempfile.mkdtemp()}/copy.db")
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        with rollbook.open(url) as book:
            print("read", len(book.usage("s1")))
            print("wrote", book.record_usage("s1", usage_id="new", tokens_in=1))
            if copy:
                print("copied", book.backup(copy).bytes)
    except rollbook.StoreError as error:
        print("StoreError", error)
    except rollbook.RollbookError as error:
        print(type(error).__name__, error)


main(*sys.argv[1:])
