"""UNIX sockets and their files: replacing the file that a dead server has left, and removing only one's own."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress

from attrs import frozen
from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer


class SocketFile:
    """
    The file of a UNIX socket. Another server may replace it with its own.

    @param path: the file, which exists.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._made = self._identity()

    def is_own(self) -> bool:
        """Return whether the file is still the one that this object was made for."""
        return self._identity() == self._made

    def remove(self) -> None:
        """Remove the file if it is still the same one. A process that has dropped its privileges may be unable to."""
        if self.is_own():
            with suppress(OSError):
                os.unlink(self._path)

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_dev, status.st_ino


class AdoptedUNIXPort(unix.Port):
    """
    A port on a UNIX socket that listens already, and that other processes may share.

    Twisted's own port would change the mode of the file, and shut the socket down for all processes when it closes.

    @param listening: the socket. The port owns it from now on.
    """

    # Twisted sets this for a TCP socket that it adopts.
    _shouldShutdown = False

    def __init__(self, reactor: object, listening: socket.socket, factory: IProtocolFactory) -> None:
        super().__init__(listening.getsockname(), factory, reactor=reactor)
        self._listening = listening
        self._doStart = factory.doStart

    def startListening(self) -> None:
        self._doStart()
        self.socket = self._listening
        self.fileno = self.socket.fileno  # type: ignore[method-assign]
        self.numberAccepts = 100
        self.connected = True
        self.startReading()  # type: ignore[no-untyped-call]


def remove_only_own_file(port: unix.Port, *, keep: bool) -> None:
    """
    Change a UNIX port so that it removes its file on closing only if the file is still its own.

    Twisted's port removes any file at its path, and never closes if it can't.

    @param keep: whether the port leaves the file to another process.
    """
    file = SocketFile(port.getHost().name)
    remove_and_close = port.connectionLost

    def close(reason: Failure) -> None:
        if not keep and file.is_own():
            # The process may have dropped its privileges since it made the file.
            with suppress(OSError):
                remove_and_close(reason)  # type: ignore[no-untyped-call]
                return
        tcp.Port.connectionLost(port, reason)

    port.connectionLost = close  # type: ignore[method-assign]  # on this port alone, whose class Twisted chooses


def open_unix_socket(path: str, mode: int, backlog: int) -> socket.socket:
    """
    Listen on a UNIX socket, as Twisted's port does.

    @param mode: the permissions of its file.
    @raise CannotListenError: the path is in use or can't be written.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        listening.bind(path)
        os.chmod(path, mode)
        listening.listen(backlog)
    except OSError as error:
        listening.close()
        raise CannotListenError(None, path, error) from None
    return listening


@implementer(IStreamServerEndpoint)
@frozen
class FreshUNIXEndpoint:
    """
    An endpoint that listens on a UNIX socket, and replaces the file that a dead server has left.

    @param path: the file.
    """

    _endpoint: IStreamServerEndpoint
    _path: str

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen.

        @return: the port, or a failure with L{CannotListenError}, also if another server listens on the path.
        """
        try:
            self._remove_stale_socket()
        except OSError as error:
            return fail(CannotListenError(None, self._path, error))
        return self._endpoint.listen(protocolFactory)

    def _remove_stale_socket(self) -> None:
        if not os.path.exists(self._path) or not stat.S_ISSOCK(os.stat(self._path).st_mode):
            return
        with socket.socket(socket.AF_UNIX) as probe:
            # A server whose queue is full is still alive: connecting would block.
            probe.setblocking(False)
            with suppress(BlockingIOError):
                if probe.connect_ex(self._path) == errno.ECONNREFUSED:
                    os.unlink(self._path)
