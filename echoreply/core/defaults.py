"""The server's defaults for replies, framing and time-outs."""

DEFAULT_PORT = 8088
"""TCP port of a server, and of the clients, that are told no other."""

DEFAULT_PREFIX = b"server reply:"

DEFAULT_MAX_MESSAGE = 65536
"""Bytes in the longest message."""

DEFAULT_PAUSE = 0.2
"""Seconds of silence that end a message from a client that has sent no LF."""

DEFAULT_IDLE_TIMEOUT = 600.0
"""Seconds without progress after which a client is disconnected."""
