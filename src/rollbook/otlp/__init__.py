"""Telemetry comes in here (OTLP): bytes to records, records to what the ledger is told."""
