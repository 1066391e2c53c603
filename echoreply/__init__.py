"""A TCP, TLS and UDP reply server and a keyboard client, for testing whatever lies between two machines."""

__version__ = "0.1.0"
