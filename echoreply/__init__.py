"""A TCP, TLS and UDP reply server, an interactive client and a load tester, for whatever lies between two machines."""

__version__ = "0.1.0"
