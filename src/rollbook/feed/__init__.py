"""The feed of changes; :mod:`rollbook.feed.log` says how it works."""

from rollbook.feed.items import Change, Lost
from rollbook.feed.log import Feed
from rollbook.feed.subscription import Subscription

__all__ = ["Change", "Feed", "Lost", "Subscription"]
