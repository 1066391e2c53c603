"""Where a server listens: on all addresses at once, on one, or wherever a Twisted endpoint does."""

from __future__ import annotations

import os

from attrs import frozen
from twisted.internet.abstract import isIPv6Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IReactorCore,
    IReactorFromThreads,
    IReactorSocket,
    IReactorTCP,
    IReactorTime,
    IStreamServerEndpoint,
)
from zope.interface import implementer

from echoreply.native.private_names import parse_endpoint
from echoreply.net.sockets import BACKLOG, FreshUNIXEndpoint, adopt, listening_sockets

if (passed := os.environ.get("LISTEN_FDS", "")).isdigit():
    # Twisted reads these when its endpoints are imported, and takes no sockets that have no names, as some pass them.
    # sd_listen_fds_with_names(3) says what they are called then.
    os.environ.setdefault("LISTEN_FDNAMES", ":".join(["unknown"] * int(passed)))
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint, serverFromString

_BACKLOG = {"backlog": BACKLOG}
_DEFAULTS: dict[str, dict[str, int]] = {
    "tcp": _BACKLOG,
    "tcp4": _BACKLOG,
    "tcp6": _BACKLOG,
    # Twisted's lock knows a process by its number only, which another may have by now.
    "unix": {**_BACKLOG, "lockfile": 0},
}
"""What is said of an endpoint if a person says nothing."""


class IServerReactor(IReactorCore, IReactorFromThreads, IReactorSocket, IReactorTCP, IReactorTime):
    """What a server needs of a reactor."""


@implementer(IStreamServerEndpoint)
@frozen
class DualStackServerEndpoint:
    """Listens on every address of the machine, with one socket: L{listening_sockets}."""

    _reactor: IServerReactor
    _port: int

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen.

        @return: the port, or a failure with L{CannotListenError}.
        """
        try:
            (listener,) = listening_sockets("", self._port)
        except CannotListenError as error:
            return fail(error)
        return succeed(adopt(self._reactor, listener, protocolFactory))


def server_endpoint(reactor: IServerReactor, interface: str, port: int) -> IStreamServerEndpoint:
    """Give the endpoint that listens on an IP address, or on all of them if C{interface} is empty."""
    if not interface:
        return DualStackServerEndpoint(reactor, port)
    kind = TCP6ServerEndpoint if isIPv6Address(interface) else TCP4ServerEndpoint
    return kind(reactor, port, backlog=BACKLOG, interface=interface)


def stream_endpoint(reactor: IServerReactor, description: str) -> IStreamServerEndpoint:
    """
    Give the endpoint that is described as Twisted describes endpoints, with defaults of ours.

    @raise ValueError: it describes none. The text says why, for people.
    """
    kind = path = ""
    try:
        (kind, *positional), named = parse_endpoint(description)
        # Who goes on without names says all of it.
        for name, value in _DEFAULTS.get(kind, {}).items() if len(positional) < 3 else ():
            if name not in named:
                description += f":{name}={value}"
        if kind == "unix":
            path = [*positional, named.get("address", "")][0]
            if not path:
                # To the system it would be one of its own choice.
                raise ValueError("unix takes the path of a socket")
        endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
    except (IndexError, KeyError):
        raise ValueError("no such socket was passed to this process") from None
    except ImportError:
        raise ValueError(f"{kind} needs pyOpenSSL, which is not installed") from None
    except NameError:
        # As Twisted's parsers end that look for its TLS, which can't be imported without that.
        raise ValueError(f"{kind} needs pyOpenSSL, which is not installed; ssl needs nothing") from None
    except TypeError:
        raise ValueError(f"{kind} takes other arguments: see Twisted's endpoints") from None
    except Exception as error:
        # An endpoint's parser may be anybody's, and says what it does not take in any way.
        raise ValueError(str(error)) from None
    return FreshUNIXEndpoint(endpoint, path) if path else endpoint
