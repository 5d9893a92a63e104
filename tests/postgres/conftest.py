"""Databases of a server for the tests of books on PostgreSQL."""

from __future__ import annotations

from postgres_servers import postgres_of_each_version, postgres_server, postgres_servers, postgres_url

__all__ = ["postgres_of_each_version", "postgres_server", "postgres_servers", "postgres_url"]
