"""A TCP, TLS and UDP reply server and an interactive client, for testing whatever lies between two machines."""

__version__ = "0.1.0"
