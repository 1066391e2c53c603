"""Bindings: listening addresses, each with the factory that serves it, ready to be opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import TypeVar

from attrs import Factory, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort

from echoreply.core.parsing import printable
from echoreply.net.errors import CannotListen
from echoreply.net.listener import Listener

T = TypeVar("T")

NO_PORT = "this kind of endpoint returns no port, or not at once"


@contextmanager
def report_listen_errors(where: str) -> Iterator[None]:
    """
    Convert the errors of listening to L{CannotListen}, whose text names the address.

    @param where: the address as the user wrote it.
    @raise CannotListen: the block has raised an error.
    """
    try:
        yield
    except CannotListenError as error:
        cause: object = error.socketError
    except (OSError, OverflowError, ValueError) as error:
        cause = error
    else:
        return
    # An OSError that Python itself raises has no strerror.
    reason = (isinstance(cause, OSError) and cause.strerror) or cause
    raise CannotListen(f"cannot listen on {printable(where)}: {reason}") from None


def result_now(deferred: Deferred[T]) -> T:
    """
    Return the result of a Deferred that has fired, or raise its error.

    @raise ValueError: it has not fired.
    """
    results: list[T] = []
    failures: list[Exception] = []
    deferred.addCallbacks(results.append, lambda failure: failures.append(failure.value))
    for failure in failures:
        raise failure
    if not results:
        raise ValueError(NO_PORT)
    return results[0]


def finish_at_once() -> Deferred[None]:
    """Return a Deferred that has fired: the factory knows every accepted client already."""
    return succeed(None)


class SocketOwner(Enum):
    """
    The process that has opened a listening socket. It removes the file of a UNIX socket.

    The clients in the queue of a socket belong to the next server if the owner keeps the socket open for it.
    """

    PROCESS = auto()
    """This process."""
    SUPERVISOR = auto()
    """The supervisor of worker processes, which closes the socket when the server stops."""
    SERVICE_MANAGER = auto()
    """A service manager such as systemd, which keeps the socket open for the next server."""


def owner_of(description: str) -> SocketOwner:
    """Return the process that opens the socket of an endpoint, by its description, if no supervisor does."""
    return SocketOwner.SERVICE_MANAGER if description.startswith("systemd:") else SocketOwner.PROCESS


@frozen
class Binding:
    """
    A listening address with the factory that serves it.

    @ivar where: the address as the user wrote it.
    @ivar open: starts to listen. It returns a Deferred that has fired: no address needs a lookup.
    @ivar listener: describes the address to observers.
    @ivar owner: the process that has opened the socket.
    @ivar finish_accepting: waits, once the port is closed, until the factory knows every client that was accepted.
    @ivar reload: reads the files of this binding again and logs the result; C{None} if there are none.
    """

    where: str
    open: Callable[[], Deferred[IListeningPort]]
    listener: Listener = Factory(Listener)
    owner: SocketOwner = SocketOwner.PROCESS
    finish_accepting: Callable[[], Deferred[None]] = finish_at_once
    reload: Callable[[], object] | None = None

    def listen(self) -> IListeningPort:
        """
        Listen, and set the listener's address.

        @raise CannotListen: the address is in use or not available.
        """
        with report_listen_errors(self.where):
            port = result_now(self.open())
            if not IListeningPort.providedBy(port):
                raise ValueError(NO_PORT)
        self.listener.host = port.getHost()
        return port
