"""Detecting idle connections: the time for which a connection has made no progress."""

from __future__ import annotations

from twisted.internet.interfaces import ITransport

from echoreply.net.transport import unsent


class IdleWatch:
    """
    Watches the progress of one connection.

    Progress is an answered message, or a byte of a reply that the server has written or, where the system reports this,
    that the client has taken.

    @param now: when the connection was made, in seconds by the clock of L{IdleWatch.idle_seconds}.
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
        # Bytes that were taken stay taken. So the kernel is not asked about the many connections that have taken
        # everything and have no new replies.
        if counts != self._counts or not self._all_taken:
            untaken = unsent(transport)
            if counts != self._counts or untaken != self._untaken:
                self._progress_at = now
            # Bytes written just now may not have reached the kernel yet.
            self._all_taken = counts == self._counts and not untaken
            self._counts, self._untaken = counts, untaken
        return now - self._progress_at
