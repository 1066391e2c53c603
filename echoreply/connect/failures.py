"""Messages for the user: why a connection could not be established, why it was lost, and a warning."""

from __future__ import annotations

import os

from twisted.internet import error

RESET = "the connection was reset"
INSECURE = "--insecure: the server's certificate is not verified"
CLOSED = "the server closed the connection"


def why_not_connected(failure: Exception, timeout: float) -> str:
    """
    Return why a connection could not be established.

    @param timeout: the timeout of the attempt, in seconds.
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
        return "not a valid host name"
    return str(failure)


def why_lost(reason: BaseException | None, target: str) -> str:
    """
    Return why an established connection was lost.

    @param reason: the exception that Twisted reports; C{None} counts as a reset.
    @param target: the address of the server, for the user.
    """
    if isinstance(reason, error.ConnectionDone):
        return CLOSED
    if isinstance(reason, error.ConnectError):
        # An error of a datagram, as UDP has no connection.
        return f"cannot send to {target}: {why_not_connected(reason, 0)}"
    if isinstance(reason, error.ConnectionLost) and reason.args:
        return f"TLS failed: {reason.args[0]}"
    if reason is None or isinstance(reason, error.ConnectionClosed):
        return RESET
    # The message of a pyOpenSSL error has several lines.
    return f"the connection was lost: {' '.join(str(reason).split())}"
