"""The bindings on which clients come in, each of which can be taken or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import Factory, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort

from echoreply.net.errors import CannotListen
from echoreply.net.listener import Listener


@contextmanager
def listening_on(where: str) -> Iterator[None]:
    """
    Name the address in whatever goes wrong.

    @param where: the address as people know it.
    @raise CannotListen: something has.
    """
    try:
        yield
    except CannotListenError as error:
        cause: object = error.socketError
    except (OSError, OverflowError, ValueError) as error:
        cause = error
    else:
        return
    # Those that Python makes itself have a text only.
    reason = (isinstance(cause, OSError) and cause.strerror) or cause
    raise CannotListen(f"cannot listen on {where}: {reason}") from None


def nothing_to_settle() -> Deferred[None]:
    """Wait for nothing."""
    return succeed(None)


@frozen
class Binding:
    """
    A way in.

    @ivar where: where it is, as people know it.
    @ivar open: listens there. It has listened or failed when it returns: an address needs no looking up.
    @ivar listener: what clients who come on it know as theirs.
    @ivar passed_on: whether somebody else will go on to listen with the same socket. Then those who wait in its queue
        when the server stops are theirs.
    @ivar settle: waits, once it no longer listens, until the factory has been told of all clients who have come.
    @ivar reload: reads the files again that it was made of, if any, and logs the result.
    """

    where: str
    open: Callable[[], Deferred[IListeningPort]]
    listener: Listener = Factory(Listener)
    passed_on: bool = False
    settle: Callable[[], Deferred[None]] = nothing_to_settle
    reload: Callable[[], object] | None = None

    def listen(self) -> IListeningPort:
        """
        Listen, and let the listener know where.

        @raise CannotListen: it can't be.
        """
        ports: list[IListeningPort] = []
        failures: list[Exception] = []
        with listening_on(self.where):
            self.open().addCallbacks(ports.append, lambda failure: failures.append(failure.value))
            for failure in failures:
                raise failure
            if not ports or not IListeningPort.providedBy(ports[0]):
                raise ValueError("this kind of endpoint gives no port, or not at once")
        self.listener.host = ports[0].getHost()
        return ports[0]
