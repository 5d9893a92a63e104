"""Servers of databases, for the tests that need one."""

from postgres_books import empty_book, empty_books
from postgres_servers import postgres_server, postgres_servers

__all__ = ["empty_book", "empty_books", "postgres_server", "postgres_servers"]
