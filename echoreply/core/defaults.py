"""The server's defaults for replies, framing and time-outs."""

DEFAULT_PORT = 8088
"""Default port of the server and the clients, for TCP and UDP."""

DEFAULT_PREFIX = b"server reply:"

DEFAULT_MAX_MESSAGE = 65536
"""Maximum bytes in a message, without its terminator."""

DEFAULT_PAUSE = 0.2
"""Seconds of silence that end a message from a client that has sent no LF."""

DEFAULT_IDLE_TIMEOUT = 600.0
"""Seconds without progress after which a client is disconnected."""
