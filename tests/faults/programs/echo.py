"""Read and write a book as told, a line at a time: ``echo.py URL``."""

from __future__ import annotations

import sys

import rollbook


def main(url: str) -> None:
    with rollbook.open(url) as book:
        for line in sys.stdin:
            match line.split():
                case ["read", session_id]:
                    print(book.get(session_id).tokens_in)
                case ["count", session_id]:
                    print(len(book.usage(session_id)))
                case ["write", session_id, tokens]:
                    print(book.record_usage(session_id, tokens_in=int(tokens)))
                case ["use", usage_id]:
                    print(book.record_usage("shared", usage_id=usage_id, tokens_in=1))
                case ["ids"]:
                    print(*sorted(row.usage_id for one in book.iterate() for row in book.usage(one.session_id)))
                case ["sound"]:
                    print(book.verify().ok)


main(sys.argv[1])
