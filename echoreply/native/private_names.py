"""
The private names of other projects that the package uses: all of them, each with the reason.

A private name can disappear with any release of its project. So other modules do not use one: they call a function of
this module. Overrides, and attributes that a base class has for its subclasses, can't be wrapped in a function: they
are listed in L{PRIVATE_NAMES} with the subclass in this package. A test fails with each name that is gone or has
changed, and with the file and line of each use that is not listed.

The build of the package imports this module without Twisted, which is why functions import what they need.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from ssl import SSLObject
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

if TYPE_CHECKING:
    import argparse

    from twisted.internet import tcp, udp
    from twisted.internet.base import ReactorBase
    from twisted.internet.endpoints import UNIXClientEndpoint
    from twisted.internet.interfaces import IDelayedCall, IProtocolFactory
    from twisted.internet.posixbase import PosixReactorBase
    from twisted.logger import FileLogObserver
    from twisted.runner.procmon import ProcessMonitor

P = TypeVar("P", bound="tcp.Port")


class PrivateName(NamedTuple):
    """
    A name of another project that is not part of its public interface.

    @ivar owner: the dotted path of the module or class that has it.
    @ivar reason: why the package needs it.
    @ivar replacement: what may take its place, or C{"none"}.
    @ivar subclass: the dotted path of the subclass in this package that overrides it, or reads it from its base class;
        empty if a function of this module wraps it.
    """

    owner: str
    name: str
    reason: str
    replacement: str
    subclass: str = ""


PRIVATE_NAMES = (
    # Python
    PrivateName(
        "argparse.ArgumentParser",
        "_actions",
        "Completions for shells need every option of a parser, and whether it takes a file.",
        "none; shtab reads the same attribute",
    ),
    PrivateName(
        "socket.socket",
        "_accept",
        "socket.accept makes enums of family and type, which takes a tenth of the time that a connection costs.",
        "none",
    ),
    PrivateName(
        "socket.SocketType",
        "family",
        "The address family as a plain number, without the enum that socket.socket.family makes at every access.",
        "none",
    ),
    PrivateName(
        "socket.SocketType",
        "type",
        "The type of a socket as a plain number, in the same way.",
        "none",
    ),
    PrivateName(
        "ssl.SSLObject",
        "_sslobj",
        "Its read and write are those of SSLObject without a call in between, which every message would pay for.",
        "none; SSLObject itself does the same, more slowly",
    ),
    PrivateName(
        "_ssl._SSLSocket",
        "get_unverified_chain",
        "The reason why a certificate was rejected has its dates, names and issuer, also when it was not verified.",
        "SSLObject.get_unverified_chain of Python 3.13, which has DER only",
    ),
    # Twisted: endpoints and connections
    PrivateName(
        "twisted.internet.endpoints",
        "_parse",
        "Default arguments are added to descriptions of endpoints, which have to be parsed as Twisted does.",
        "none; twisted.plugins parsers get arguments, but can't add defaults to those of others",
    ),
    PrivateName(
        "twisted.internet.endpoints.UNIXClientEndpoint",
        "_path",
        "A path that is too long for the system is rejected with the option's name, before Twisted fails with it.",
        "none",
    ),
    PrivateName(
        "twisted.internet.endpoints.HostnameEndpoint",
        "_hostAsBytesAndText",
        "Names with an underscore are looked up, too: containers have such names, though IDNA forbids them.",
        "none",
        "echoreply.connect.target.NameEndpoint",
    ),
    PrivateName(
        "twisted.internet.tcp",
        "_getrealname",
        "A link-local address needs its zone, RFC 4007, which socket.getsockname leaves out.",
        "socket.getnameinfo, which is what it calls",
    ),
    PrivateName(
        "twisted.internet.tcp.Port",
        "_fromListeningDescriptor",
        "A native port adopts a socket that listens already, as adoptStreamPort does for Twisted's ports.",
        "none; adoptStreamPort makes ports of Twisted's own class only",
    ),
    PrivateName(
        "twisted.internet.tcp.Port",
        "transport",
        "The class attribute that makes the transport of an accepted socket.",
        "none",
        "echoreply.native.port.NativePort",
    ),
    PrivateName(
        "twisted.internet.tcp.Connector",
        "_makeTransport",
        "Makes the socket of an outgoing connection, whose transport is native once it is connected.",
        "none",
        "echoreply.native.client.NativeConnector",
    ),
    PrivateName(
        "twisted.internet.tcp.BaseClient",
        "_connectDone",
        "Called when an outgoing connection is made: from then on its socket belongs to the event loop.",
        "none",
        "echoreply.native.client.NativeClient",
    ),
    PrivateName(
        "twisted.internet.tcp.BaseClient",
        "realAddress",
        "The address that an outgoing connection was made to, once the name was resolved.",
        "getPeer, which has no flow information and scope",
    ),
    PrivateName(
        "twisted.internet.udp.Port",
        "_preexistingSocket",
        "DatagramPort takes a bound socket, as IReactorSocket.adoptDatagramPort does for Twisted's ports.",
        "none; adoptDatagramPort makes ports of Twisted's own class only",
    ),
    *(
        PrivateName(
            "twisted.internet.abstract.FileDescriptor",
            name,
            "Whether bytes wait to be sent: if not, a reply is written immediately, without the reactor.",
            "none",
            "echoreply.net.transport.ImmediateServer",
        )
        for name in ("dataBuffer", "_tempDataBuffer", "_writeDisconnecting")
    ),
    PrivateName(
        "twisted.internet.tcp._SocketCloser",
        "_shouldShutdown",
        "A UNIX socket that other processes share must not be shut down when one of them closes it.",
        "none; Twisted sets it for TCP sockets that it adopts",
        "echoreply.net.unix_sockets.AdoptedUNIXPort",
    ),
    # Twisted: reactors
    PrivateName(
        "twisted.internet.base.ReactorBase",
        "_installSignalHandlers",
        "Children are reaped at SIGCHLD only if the reactor was asked to handle signals.",
        "none",
    ),
    PrivateName(
        "twisted.internet.base.ReactorBase",
        "_registerAsIOThread",
        "A reactor in a thread of its own must not declare that thread the process's I/O thread.",
        "none",
        "echoreply.testing.threaded.PrivateReactor",
    ),
    PrivateName(
        "twisted.internet.posixbase.PosixReactorBase",
        "_internalReaders",
        "A reactor that has stopped leaves the descriptors open that wake it.",
        "none; Twisted expects one reactor for the life of a process",
    ),
    PrivateName(
        "twisted.internet.posixbase.PosixReactorBase",
        "_removeInternalReader",
        "Such a descriptor can be closed only after it is removed.",
        "none",
    ),
    # Twisted: programs
    PrivateName(
        "twisted.runner.procmon.ProcessMonitor",
        "_monitoredProcessExited",
        "A worker has more pipes than ProcessMonitor's protocol supports, so WorkerProtocol reports its end.",
        "none",
    ),
    PrivateName(
        "twisted.runner.procmon.ProcessMonitor",
        "murder",
        "The delayed calls that kill processes that do not stop: skipping the drain makes them earlier.",
        "none",
    ),
    *(
        PrivateName(
            "twisted.runner.procmon.ProcessMonitor",
            name,
            reason,
            "an attribute of our own",
            "echoreply.server.workers.supervisor.Supervisor",
        )
        for name, reason in (
            ("_clock", "The clock of the start times that ProcessMonitor compares."),
            ("_reactor", "Spawns the processes."),
        )
    ),
    PrivateName(
        "twisted.scripts.twistd",
        "_SomeApplicationRunner",
        "Opens the log where twistd's options say, rotation and daemon mode included.",
        "none",
    ),
    PrivateName(
        "twisted.application.app.AppLogger",
        "_getLogObserver",
        "Makes the observer of that log, whose format is then replaced.",
        "none",
    ),
)
"""Every private name, Python's first."""


# Python


def parser_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return all options and arguments of a parser, in the order in which they were added."""
    return parser._actions


PLAIN_FAMILY = cast(int, socket.SocketType.family)
"""A descriptor that reads a socket's address family as a plain number, for a subclass of C{socket.socket}."""

PLAIN_TYPE = cast(int, socket.SocketType.type)
"""A descriptor that reads a socket's type as a plain number, for a subclass of C{socket.socket}."""


accept_descriptor = cast("Callable[[socket.socket], tuple[int, Any]]", socket.socket._accept)  # type: ignore[attr-defined]
"""
Accepts a connection of a listening socket; returns the descriptor of its socket and the peer's address.

It raises L{OSError} as C{socket.accept} does. It is no function around the method, which would cost every connection a
call.
"""


class OpenSSLSession(Protocol):
    """The two calls of L{SSLObject} that are made for every message."""

    def read(self, size: int, /) -> bytes: ...

    def write(self, data: bytes | memoryview, /) -> int: ...


def ssl_object(session: SSLObject) -> OpenSSLSession:
    """Return the object whose C{read} and C{write} an L{SSLObject} calls; without one, the L{SSLObject} itself."""
    return cast(OpenSSLSession, getattr(session, "_sslobj", session))


def unverified_chain(session: SSLObject) -> list[dict[str, Any]]:
    """
    Return the certificates that a peer has sent, its own first, in the format of L{SSLObject.getpeercert}.

    They are available whether or not they could be verified. The list is empty if the peer has sent none.

    @raise ValueError: a certificate can't be decoded; or L{ssl.SSLError}.
    """
    chain = getattr(ssl_object(session), "get_unverified_chain", lambda: None)()
    return [certificate.get_info() for certificate in chain or ()]


# Twisted: endpoints and connections


def parse_endpoint(description: str) -> tuple[list[str], dict[str, str]]:
    r"""
    Split the description of an endpoint at its colons.

    @return: the arguments without names, of which the first is the kind of endpoint; and those with names. C{\:} in a
        description is a colon in an argument.
    """
    from twisted.internet import endpoints

    return cast("tuple[list[str], dict[str, str]]", endpoints._parse(description))


def unix_path(endpoint: UNIXClientEndpoint) -> str:
    """Return the path of the socket that an endpoint connects to."""
    return cast(str, endpoint._path)


def with_zone(address: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return an IPv6 socket address whose host includes the zone of a link-local address: C{fe80::1%eth0}."""
    from twisted.internet.tcp import _getrealname

    return cast("tuple[Any, ...]", _getrealname(address))


def adopt_listening_port(
    port_class: type[P], reactor: object, descriptor: int, family: int, factory: IProtocolFactory
) -> P:
    """
    Return a port on a socket that listens already.

    @param descriptor: the socket's descriptor, which is duplicated.
    @return: the port, which has not been started.
    """
    return cast(P, port_class._fromListeningDescriptor(reactor, descriptor, family, factory))  # type: ignore[no-untyped-call]


def use_bound_socket(port: udp.Port, bound: socket.socket) -> None:
    """Set the bound socket of a UDP port that has not been started."""
    port._preexistingSocket = bound  # type: ignore[assignment]


def real_address(client: tcp.BaseClient) -> tuple[Any, ...]:
    """Return the socket address that an outgoing connection was made to."""
    return client.realAddress


def has_unsent(connection: tcp.Connection) -> bool:
    """Return whether bytes wait in a connection's buffer until the kernel takes more."""
    return bool(connection.dataBuffer or connection._tempDataBuffer)


# Twisted: reactors


def installs_signal_handlers(reactor: ReactorBase) -> bool:
    """Return whether a running reactor was asked to handle signals."""
    return bool(reactor._installSignalHandlers)


def close_wakers(reactor: PosixReactorBase) -> None:
    """Close the descriptors that wake a reactor, which has stopped."""
    for reader in list(reactor._internalReaders):
        reactor._removeInternalReader(reader)
        reader.connectionLost(None)


# Twisted: programs


def process_exited(monitor: ProcessMonitor, name: str) -> None:
    """Notify a monitor that a process has ended, so that it restarts the process if the monitor is running."""
    monitor._monitoredProcessExited(name)


def kill_calls(monitor: ProcessMonitor) -> Iterable[IDelayedCall]:
    """Return the delayed calls that kill the processes that were asked to stop and are still running."""
    return cast("Mapping[str, IDelayedCall]", monitor.murder).values()


def log_file_observer(twistd_options: Mapping[str, Any]) -> FileLogObserver:
    """
    Return an observer that writes to the log file, or to standard output, as twistd's options say.

    @return: one whose C{formatEvent} may be replaced.
    """
    from twisted.scripts.twistd import _SomeApplicationRunner  # type: ignore[attr-defined]

    make_logger = cast("Callable[[Mapping[str, Any]], Any]", _SomeApplicationRunner.loggerFactory)
    return cast("FileLogObserver", make_logger(twistd_options)._getLogObserver())
