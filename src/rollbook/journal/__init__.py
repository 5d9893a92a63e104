"""What a session contains, beside its ledger and under its id: streams of entries, and state."""
