"""Benchmarks of this server and others: C{python -m benchmarks}."""
