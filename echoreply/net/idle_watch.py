"""Idle connections: how long one has made no progress."""

from __future__ import annotations

from twisted.internet.interfaces import ITransport

from echoreply.net.transport import unsent


class IdleWatch:
    """
    Watches the progress of one connection.

    Progress is a message answered, or a byte of a reply written by us or, where the system tells, taken by the client.

    @param now: when the connection was made, in seconds by the same clock as in L{idle_seconds}.
    """

    __slots__ = ("_all_taken", "_counts", "_progress_at", "_untaken")

    def __init__(self, now: float) -> None:
        self._progress_at = now
        self._counts = (0, 0)
        self._untaken = 0
        self._all_taken = False

    def idle_seconds(self, now: float, messages: int, sent: int, transport: ITransport) -> float:
        """
        Return the seconds without progress.

        Progress is noticed when this is called, so the result is exact to within the time since the last call.

        @param messages: how many have been answered so far.
        @param sent: bytes of replies that have been written so far.
        """
        counts = messages, sent
        # What has been taken stays taken, so for the many connections that have nothing to take, and no new replies,
        # the kernel is not asked.
        if counts != self._counts or not self._all_taken:
            untaken = unsent(transport)
            if counts != self._counts or untaken != self._untaken:
                self._progress_at = now
            # Bytes written just now may not have reached the kernel yet.
            self._all_taken = counts == self._counts and not untaken
            self._counts, self._untaken = counts, untaken
        return now - self._progress_at
