"""The book as a service over HTTP: parse, call, answer; no rules and no SQL.

``routes`` is the one table of everything that is served. Each route names the function that answers it, with the types
of what it takes and gives; ``endpoint`` is what stands between a request and that function, and ``openapi`` makes the
description of the interface from the same table.
"""
