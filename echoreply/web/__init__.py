"""The monitoring site of the server: the live page, its feed of events, metrics for Prometheus, and health checks."""
