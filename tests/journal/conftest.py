"""Places for journals that tests share."""

from __future__ import annotations

from servers import own_cluster, own_redis, redis_cluster, redis_cluster_servers, redis_server, redis_url

__all__ = ["own_cluster", "own_redis", "redis_cluster", "redis_cluster_servers", "redis_server", "redis_url"]
