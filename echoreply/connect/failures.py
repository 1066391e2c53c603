"""Why a connection could not be made, or was lost, in words for people."""

from __future__ import annotations

import os

from twisted.internet import error

RESET = "the connection was reset"
CLOSED = "the server closed the connection"


def why_not_connected(failure: Exception, timeout: float) -> str:
    """
    Say why a connection could not be made.

    @param timeout: the seconds that the attempt was given.
    """
    if isinstance(failure, error.DNSLookupError):
        return "no such host"
    if isinstance(failure, error.ConnectionRefusedError):
        return "connection refused"
    if isinstance(failure, error.TimeoutError):
        return f"no answer within {timeout:g} s"
    if isinstance(failure, error.ConnectError) and isinstance(failure.osError, int):
        return os.strerror(failure.osError).lower()
    if isinstance(failure, ValueError):
        return "no host has such a name"
    return str(failure)


def why_lost(reason: BaseException | None, where: str) -> str:
    """
    Say why an established connection was lost.

    @param where: the address of its other end.
    """
    if isinstance(reason, error.ConnectionDone):
        return CLOSED
    if isinstance(reason, error.ConnectError):
        # UDP has no connection: a refused datagram is reported this way.
        return f"cannot send to {where}: {why_not_connected(reason, 0)}"
    if isinstance(reason, error.ConnectionLost) and reason.args:
        return f"TLS failed: {reason.args[0]}"
    if reason is None or isinstance(reason, error.ConnectionClosed):
        return RESET
    # The text of a pyOpenSSL error has several lines.
    return f"the connection was lost: {' '.join(str(reason).split())}"
