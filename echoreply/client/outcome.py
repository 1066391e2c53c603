"""Taken out of echoreply.client.pipes."""

from __future__ import annotations

from typing import NamedTuple

from echoreply.client.bridge import SessionEnd
from echoreply.connect.udp import LONGEST_DATAGRAM

TOO_LONG = f"not sent: a line of more than {LONGEST_DATAGRAM} bytes, which no datagram holds"


_FAILURES = (SessionEnd.CLOSED, SessionEnd.UNSENT, SessionEnd.OUTPUT_CLOSED)


class Outcome(NamedTuple):
    """The status to exit with, and what is to be said, if anything."""

    status: int
    words: str = ""


def outcome_of(
    session_end: SessionEnd, *, to_person: bool, to_pipe: bool, lost: str = SessionEnd.RESET.value
) -> Outcome:
    """
    Say how it ended.

    @param lost: what L{why_lost} says, should it have been.
    @param to_person: whether somebody would see it.
    @param to_pipe: whether what is received goes to a program that may leave when it likes.
    """
    if session_end is SessionEnd.OUTPUT_CLOSED and to_pipe:
        return Outcome(0)
    if session_end is SessionEnd.RESET:
        return Outcome(1, lost)
    if session_end in _FAILURES:
        return Outcome(1, session_end.value)
    return Outcome(0, session_end.value if to_person else "")
