"""Server endpoints: on all addresses, on one address, or made from a Twisted endpoint description."""

from __future__ import annotations

import os
import socket

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

from echoreply.core.parsing import is_from_python
from echoreply.native.private_names import parse_endpoint
from echoreply.net.sockets import BACKLOG, AdoptedServerEndpoint, adopt, listening_sockets
from echoreply.net.unix_sockets import FreshUNIXEndpoint

if (passed := os.environ.get("LISTEN_FDS", "")).isdigit():
    # Twisted reads these variables when its endpoints are imported, and ignores sockets without names, which some
    # service managers pass. Their name is then the default of sd_listen_fds_with_names(3).
    os.environ.setdefault("LISTEN_FDNAMES", ":".join(["unknown"] * int(passed)))
from twisted.internet.endpoints import (
    AdoptedStreamServerEndpoint,
    TCP4ServerEndpoint,
    TCP6ServerEndpoint,
    serverFromString,
)

_BACKLOG = {"backlog": BACKLOG}
_DEFAULTS: dict[str, dict[str, int]] = {
    "tcp": _BACKLOG,
    "tcp4": _BACKLOG,
    "tcp6": _BACKLOG,
    # Twisted's lock file names a process by its id, which another process may have by now.
    "unix": {**_BACKLOG, "lockfile": 0},
}
"""Default arguments of endpoints, by their kind."""


class IServerReactor(IReactorCore, IReactorFromThreads, IReactorSocket, IReactorTCP, IReactorTime):
    """The interfaces that a server needs of a reactor."""


@implementer(IStreamServerEndpoint)
@frozen
class DualStackServerEndpoint:
    """Listens on every address of the machine with one socket: L{listening_sockets}."""

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
    """Return the endpoint of a TCP port on one IP address, or on all of them if C{interface} is empty."""
    if not interface:
        return DualStackServerEndpoint(reactor, port)
    kind = TCP6ServerEndpoint if isIPv6Address(interface) else TCP4ServerEndpoint
    return kind(reactor, port, backlog=BACKLOG, interface=interface)


def stream_endpoint(reactor: IServerReactor, description: str) -> IStreamServerEndpoint:
    """
    Return the endpoint of a description for L{twisted.internet.endpoints.serverFromString}, with our default arguments.

    @raise ValueError: the description is wrong. The text is the reason, for people.
    """
    kind = path = ""
    try:
        (kind, *positional), named = parse_endpoint(description)
        # A third positional argument would clash with the defaults.
        for name, value in _DEFAULTS.get(kind, {}).items() if len(positional) < 3 else ():
            if name not in named:
                description += f":{name}={value}"
        if kind in ("tcp", "tcp6"):
            for port in [*positional[:1], *([named["port"]] if "port" in named else [])]:
                if not port.isdecimal() or int(port) > 65535:
                    raise ValueError(f"{kind} takes a port, 0 to 65535, not {port!r}")
        if kind == "unix":
            path = [*positional, named.get("address", "")][0]
            if not path:
                # Linux would choose a path itself.
                raise ValueError("unix takes the path of a socket")
        endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
        if isinstance(endpoint, AdoptedStreamServerEndpoint):
            passed = socket.socket(fileno=endpoint.fileno)
            passed.setblocking(False)
            return AdoptedServerEndpoint(reactor, passed)
    except (IndexError, KeyError):
        raise ValueError("no such socket was passed to this process") from None
    except ImportError:
        raise ValueError(f"{kind} needs pyOpenSSL, which is not installed") from None
    except NameError:
        # Twisted's parsers raise this if they use its TLS, which can't be imported without pyOpenSSL.
        raise ValueError(f"{kind} needs pyOpenSSL, which is not installed; ssl needs nothing") from None
    except Exception as error:
        if is_from_python(error):
            raise ValueError(f"{kind} takes other arguments: see Twisted's endpoints") from None
        # Third-party parsers may raise any exception for a wrong argument.
        raise ValueError(str(error)) from None
    return FreshUNIXEndpoint(endpoint, path) if path else endpoint
