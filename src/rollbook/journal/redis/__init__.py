"""Journals in Redis or Valkey, one server or a cluster; steps are worked out here, and scripts there store them."""
