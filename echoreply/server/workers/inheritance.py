"""The sockets and files that the supervisor opens, and that the workers inherit as descriptors."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Sequence

from echoreply.core.connection_info import PortNumbers
from echoreply.net.binding import report_listen_errors
from echoreply.net.errors import CannotStart
from echoreply.net.files import read_text
from echoreply.net.listener import Listener
from echoreply.net.shared_sockets import SharedSockets
from echoreply.server.bindings import ListeningAddress, listening_addresses
from echoreply.server.reply_rules import rules_of
from echoreply.server.settings import Settings
from echoreply.server.workers.ipc import Descriptor


class Inheritance:
    """
    Opens the sockets and files that the workers inherit. They stay open here, so that restarted workers get the same.

    @param settings: the settings of the server.
    @ivar addresses: the addresses that the workers listen on, once they are open.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: list[SharedSockets] = []
        self._certificate: int | None = None
        self._script: int | None = None
        self.addresses: list[ListeningAddress] = []

    @property
    def listeners(self) -> list[Listener]:
        """The listeners of the addresses."""
        return [address.listener for address in self.addresses]

    @property
    def reads_certificates(self) -> bool:
        """Whether the workers read files for TLS."""
        return any(address.read_context for address in self.addresses)

    def open(self) -> None:
        """
        Open the sockets, and check all files that the workers will read.

        @raise CannotStart: a file can't be used, or an address is in use or not available.
        """
        if self._settings.script:
            try:
                self.read_script()
            except ValueError as error:
                raise CannotStart(str(error)) from None
        self.addresses = list(listening_addresses(self._settings, self._generate_certificate))
        try:
            for address in self.addresses:
                with report_listen_errors(address.where):
                    if address.read_context:
                        address.read_context()
                    opened = address.open_sockets(self._settings.workers)
                self._opened.append(opened)
                address.listener.host = opened.address
        except CannotStart:
            self.close_sockets()
            raise

    def read_script(self) -> None:
        """
        Read the script, and store it for workers that are started later, when its file may be invalid.

        @raise ValueError: it can't be read or is not valid.
        """
        text = read_text(self._settings.script)
        rules_of(self._settings, PortNumbers(), read=lambda _path: text)
        if self._script is None:
            self._script = _unnamed_file(b"")
        # Running workers have the same file open.
        os.ftruncate(self._script, 0)
        os.pwrite(self._script, text.encode(), 0)

    def descriptors(self, worker: int) -> dict[int, int]:
        """Return the supervisor's descriptors for a worker, by the descriptors that they get in the worker."""
        inherited: dict[int, int] = {
            Descriptor.FIRST_SOCKET + index: opened.sockets[worker - 1].fileno()
            for index, opened in enumerate(self._opened)
        }
        for descriptor, own in ((Descriptor.CERTIFICATE, self._certificate), (Descriptor.SCRIPT, self._script)):
            if own is not None:
                inherited[descriptor] = own
        return inherited

    def close_sockets(self) -> None:
        """Close the sockets in the supervisor. Each stays open until the last worker closes it."""
        for opened in self._opened:
            opened.close()

    def close_files(self) -> None:
        """Close the files. No worker can be started afterwards."""
        for descriptor in (self._certificate, self._script):
            if descriptor is not None:
                os.close(descriptor)

    def _generate_certificate(self) -> bytes:
        from echoreply.server.certificates import generate_certificate  # imported lazily: it takes ten megabytes

        pem = generate_certificate(self._settings.interface)
        self._certificate = _unnamed_file(pem)
        return pem


def inherited_sockets(count: int) -> Sequence[socket.socket]:
    """Return the sockets of the addresses, whose number is C{count}. Called in a worker."""
    return [socket.socket(fileno=Descriptor.FIRST_SOCKET + index) for index in range(count)]


def inherited_certificate() -> bytes:
    """Return the generated certificate and its key, in PEM. Called in a worker."""
    return _read_all(Descriptor.CERTIFICATE)


def inherited_script(_path: str) -> str:
    """Return the script that the supervisor has read last, whatever its file contains now. Called in a worker."""
    return _read_all(Descriptor.SCRIPT).decode()


def _read_all(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _unnamed_file(data: bytes) -> int:
    """Return the descriptor of a new file without a name, which no other process can open."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return os.dup(file.fileno())
