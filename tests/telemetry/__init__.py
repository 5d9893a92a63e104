"""What telemetry tells, and what a book makes of it beside its other doors."""
