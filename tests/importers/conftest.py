"""Servers for tests that read a PostgreSQL database of another system."""

from __future__ import annotations

from postgres_servers import own_postgres, postgres_of_each_version, postgres_server, postgres_servers, postgres_url

__all__ = ["own_postgres", "postgres_of_each_version", "postgres_server", "postgres_servers", "postgres_url"]
