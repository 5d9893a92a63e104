"""The contract on Redis: one server, and a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from rollbook.journal.backend import Journals
from rollbook.journal.contract import JournalContract
from rollbook.journal.redis.journals import RedisJournals
from rollbook.settings import Settings


class _OnRedis(JournalContract):
    looks_stay = False
    user_state_with_entries = False

    @pytest.fixture
    def journals(self, opener: Callable[[], Journals]) -> Iterator[Journals]:
        journals = opener()
        yield journals
        journals.close()


class TestServer(_OnRedis):
    @pytest.fixture
    def opener(self, redis_url: str) -> Callable[[], Journals]:
        return partial(RedisJournals, redis_url, Settings())


class TestCluster(_OnRedis):
    @pytest.fixture
    def opener(self, redis_cluster: str) -> Callable[[], Journals]:
        return partial(RedisJournals, redis_cluster, Settings())
