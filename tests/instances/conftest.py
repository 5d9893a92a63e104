"""Databases of a server for the tests of processes."""

from __future__ import annotations

from postgres_servers import postgres_server, postgres_servers, postgres_url

__all__ = ["postgres_server", "postgres_servers", "postgres_url"]
