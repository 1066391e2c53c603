"""The outcome of the client: its exit status, and a message for the user."""

from __future__ import annotations

from typing import NamedTuple

from echoreply.client.bridge import SessionEnd
from echoreply.connect.datagram_transport import MAX_DATAGRAM

LINE_TOO_LONG = f"not sent: a line of more than {MAX_DATAGRAM} bytes does not fit in a datagram"

_FAILURES = (SessionEnd.CLOSED, SessionEnd.UNSENT, SessionEnd.OUTPUT_CLOSED)


class Outcome(NamedTuple):
    """The exit status, and a message for the user, which may be empty."""

    status: int
    message: str = ""


def outcome_of(session_end: SessionEnd, *, to_user: bool, to_pipe: bool, lost: str = SessionEnd.LOST.value) -> Outcome:
    """
    Return the outcome of a connection.

    @param to_user: whether a user sees messages; otherwise a normal end has no message.
    @param to_pipe: whether the output is a pipe, whose reader may close it at any time.
    @param lost: the message for L{SessionEnd.LOST}, as L{why_lost <echoreply.connect.failures.why_lost>} returns it.
    """
    if session_end is SessionEnd.OUTPUT_CLOSED and to_pipe:
        return Outcome(0)
    if session_end is SessionEnd.LOST:
        return Outcome(1, lost)
    if session_end in _FAILURES:
        return Outcome(1, session_end.value)
    return Outcome(0, session_end.value if to_user else "")
