"""The ledger: the life cycle of sessions and what they used, as operations applied in batches and as reads."""
