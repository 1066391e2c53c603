"""Encryption and decryption of one connection in memory: TLS records on one side, the protocol's bytes on the other."""

from __future__ import annotations

from contextlib import suppress
from ssl import MemoryBIO, SSLError, SSLObject, SSLWantReadError, SSLZeroReturnError

from echoreply.native.private_names import ssl_object


class Records:
    """
    The records of one connection.

    For speed, a transport calls C{decrypt} and C{encrypt} itself.

    @ivar session: reads records from C{incoming}, and writes them to C{outgoing}. Both are empty between two calls from
        outside, so connections may share them.
    @ivar decrypt: takes a maximum size, and returns at most that many bytes of the next record. It returns none, or
        raises L{SSLZeroReturnError}, once the peer has sent its close_notify.
    @ivar encrypt: writes a record with as many of the bytes as fit, and returns their number.
    """

    __slots__ = ("decrypt", "encrypt", "incoming", "outgoing", "session")

    def __init__(self, session: SSLObject, incoming: MemoryBIO, outgoing: MemoryBIO) -> None:
        self.session = session
        openssl = ssl_object(session)
        self.decrypt = openssl.read
        self.encrypt = openssl.write
        self.incoming = incoming
        self.outgoing = outgoing

    def decrypt_rest(self, pieces: list[bytes], size: int, error: SSLError | None) -> tuple[bytes, SSLError | None]:
        """
        Decrypt the rest of a read, after the first call of C{decrypt}.

        @param pieces: the bytes that it has returned.
        @param size: the size of the read.
        @param error: the error that it has raised.
        @return: all bytes of the read, and how it ends: with L{SSLZeroReturnError} after a close_notify, with another
            error after a record that was rejected, with C{None} otherwise.
        """
        incoming = self.incoming
        ended = pieces == [b""]
        try:
            while not (error or ended) and (incoming.pending or len(pieces[-1]) == size):
                piece = self.decrypt(size)
                pieces.append(piece)
                ended = not piece
        except SSLError as raised:
            error = raised
        self.discard()
        if ended:
            error = SSLZeroReturnError()
        elif isinstance(error, SSLWantReadError):
            error = None
        return b"".join(pieces), error

    def encrypt_rest(self, data: bytes, sent: int) -> None:
        """Encrypt all bytes after the first C{sent}, one record at a time."""
        while sent != len(data):
            sent += self.encrypt(memoryview(data)[sent:])

    def close_notify(self) -> None:
        """Write our close_notify, which ends our side."""
        # It raises if the peer has not sent its close_notify, which need not come first.
        with suppress(SSLError):
            self.session.unwrap()

    def discard(self) -> None:
        """Discard what follows the end, or an error, in C{incoming}: it must not reach another connection."""
        self.incoming.read()
