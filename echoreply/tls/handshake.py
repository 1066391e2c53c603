"""The handshake of a TLS connection, and requests of its protocol that have to wait for the end of the handshake."""

from __future__ import annotations

from ssl import SSLWantReadError

from echoreply.tls.records import Records


class Handshake:
    """
    The handshake of one connection, and the requests of its protocol meanwhile.

    @ivar held: the bytes that the protocol has written, in order.
    @ivar read_paused: whether the protocol wants no data for now. The handshake itself is read all the same.
    @ivar streaming: whether the protocol's producer is a push producer.
    """

    __slots__ = ("_records", "_size", "held", "read_paused", "streaming")

    def __init__(self, records: Records) -> None:
        self._records = records
        self._size = 0
        self.held: list[bytes] = []
        self.read_paused = False
        self.streaming = False

    def advance(self) -> bool:
        """
        Continue the handshake with what the peer has sent.

        @return: whether the handshake is complete.
        @raise SSLError: it has failed.
        """
        try:
            self._records.session.do_handshake()
        except SSLWantReadError:
            return False
        return True

    def hold(self, data: bytes, limit: int) -> bool:
        """
        Hold bytes until the handshake is complete.

        @return: whether more than C{limit} bytes are held now, and were not before.
        """
        before = self._size
        self.held.append(data)
        self._size += len(data)
        return before <= limit < self._size
