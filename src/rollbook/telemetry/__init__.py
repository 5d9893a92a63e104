"""Telemetry as a book understands it: what was told, and pure rules that join what comes in parts."""
