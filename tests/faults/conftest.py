"""Servers that tests of faults share."""

from __future__ import annotations

from postgres_servers import own_postgres, postgres_server, postgres_servers, postgres_url

__all__ = ["own_postgres", "postgres_server", "postgres_servers", "postgres_url"]
