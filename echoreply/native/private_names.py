"""
Names of other projects that the package uses although they are not public: all of them, each with its reason.

A private name can go with any release of the project that it belongs to. So no other module reads one: it calls a
function of this module. Overrides, and attributes that a base class keeps for its subclasses, can't be wrapped in a
function: they are listed in L{PRIVATE_NAMES} with the class of ours that has them. A test of this module fails with the
name that is gone or has changed, and with the file and line of a use that is not listed.

The build of the package imports this module without Twisted, which is why functions import what they need.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Callable, Iterable, Mapping
from ssl import SSLObject
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

if TYPE_CHECKING:
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
    @ivar subclass: the dotted path of the subclass of ours that overrides it, or reads it from its base class; empty if
        a function of this module wraps it.
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
        "The reason why a certificate was refused names its dates, names and issuer, also when it was not verified.",
        "SSLObject.get_unverified_chain of Python 3.13, which has DER only",
    ),
    # Twisted: endpoints and connections
    PrivateName(
        "twisted.internet.endpoints",
        "_parse",
        "Descriptions of endpoints get defaults of ours, and are taken apart as Twisted does, escapes included.",
        "none; twisted.plugins parsers get arguments, but can't add defaults to those of others",
    ),
    PrivateName(
        "twisted.internet.endpoints.UNIXClientEndpoint",
        "_path",
        "A path that is too long for the system is refused with the option's name, before Twisted stumbles over it.",
        "none",
    ),
    PrivateName(
        "twisted.internet.endpoints.HostnameEndpoint",
        "_hostAsBytesAndText",
        "Names with an underscore are looked up, too: containers have such names, but IDNA has not.",
        "none",
        "echoreply.connect.target.NameEndpoint",
    ),
    PrivateName(
        "twisted.internet.tcp",
        "_getrealname",
        "A link-local address needs its link, RFC 4007, which socket.getsockname leaves out.",
        "socket.getnameinfo, which is what it calls",
    ),
    PrivateName(
        "twisted.internet.tcp.Port",
        "_fromListeningDescriptor",
        "A native port adopts a socket that listens already, as IReactorSocket.adoptStreamPort does for Twisted's own.",
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
        "Is called when an outgoing connection is made: from there on the event loop has its socket.",
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
        "A UDP port of our own class takes a bound socket, as IReactorSocket.adoptDatagramPort does for Twisted's own.",
        "none; adoptDatagramPort makes ports of Twisted's own class only",
    ),
    *(
        PrivateName(
            "twisted.internet.abstract.FileDescriptor",
            name,
            "Tells whether bytes wait to be sent: if not, a reply is written at once, without asking the reactor.",
            "none",
            "echoreply.net.transport.ImmediateServer",
        )
        for name in ("dataBuffer", "_tempDataBuffer", "_writeDisconnecting")
    ),
    PrivateName(
        "twisted.internet.tcp._SocketCloser",
        "_shouldShutdown",
        "A UNIX socket that other processes listen on, too, must not be shut down when one of them closes it.",
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
        "A reactor that has ended leaves the descriptors open that it is woken by.",
        "none; Twisted expects one reactor for the life of a process",
    ),
    PrivateName(
        "twisted.internet.posixbase.PosixReactorBase",
        "_removeInternalReader",
        "Lets such a descriptor be closed.",
        "none",
    ),
    # Twisted: programs
    PrivateName(
        "twisted.runner.procmon.ProcessMonitor",
        "_monitoredProcessExited",
        "A worker has more pipes than the protocol of ProcessMonitor knows, so a protocol of ours tells of its end.",
        "none",
    ),
    PrivateName(
        "twisted.runner.procmon.ProcessMonitor",
        "murder",
        "The calls that kill the processes that don't stop by themselves: hurrying brings them forward.",
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
            ("_clock", "Tells the time as ProcessMonitor does, for the start times that it compares."),
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
        "Makes the observer of that log, whose format is then ours.",
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


def accept_descriptor(listener: socket.socket) -> tuple[int, Any]:
    """
    Accept a connection.

    @return: the descriptor of its socket, and the peer's address.
    @raise OSError: as C{socket.accept}.
    """
    return cast("tuple[int, Any]", listener._accept())  # type: ignore[attr-defined]


class OpenSSLSession(Protocol):
    """The two calls of L{SSLObject} that are made for every message."""

    def read(self, size: int, /) -> bytes: ...

    def write(self, data: bytes | memoryview, /) -> int: ...


def ssl_object(session: SSLObject) -> OpenSSLSession:
    """Return the object whose C{read} and C{write} those of an L{SSLObject} call, or that object if it has none."""
    return cast(OpenSSLSession, getattr(session, "_sslobj", session))


def unverified_chain(session: SSLObject) -> list[dict[str, Any]]:
    """
    Return the certificates that a peer has shown, its own first, each as L{SSLObject.getpeercert} describes one.

    They are there whether or not they could be verified. The list is empty if the peer has shown none.

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
    """Return an IPv6 socket address whose host names the link of a link-local one: C{fe80::1%eth0}."""
    from twisted.internet.tcp import _getrealname

    return cast("tuple[Any, ...]", _getrealname(address))


def adopt_listening_port(
    port_class: type[P], reactor: object, descriptor: int, family: int, factory: IProtocolFactory
) -> P:
    """
    Make a port of a socket that listens already.

    @param descriptor: of the socket, which is duplicated.
    @return: the port, which has not been started.
    """
    return cast(P, port_class._fromListeningDescriptor(reactor, descriptor, family, factory))  # type: ignore[no-untyped-call]


def use_bound_socket(port: udp.Port, bound: socket.socket) -> None:
    """Have a UDP port that has not been started receive from a socket that is bound already."""
    port._preexistingSocket = bound  # type: ignore[assignment]


def real_address(client: tcp.BaseClient) -> tuple[Any, ...]:
    """Return the socket address that an outgoing connection was made to."""
    return client.realAddress


def has_unsent(connection: tcp.Connection) -> bool:
    """Tell whether bytes wait in a connection's buffer until the system takes more."""
    return bool(connection.dataBuffer or connection._tempDataBuffer)


# Twisted: reactors


def installs_signal_handlers(reactor: ReactorBase) -> bool:
    """Tell whether a reactor that is running was asked to handle signals."""
    return bool(reactor._installSignalHandlers)


def close_wakers(reactor: PosixReactorBase) -> None:
    """Close the descriptors that wake a reactor, which has ended."""
    for reader in list(reactor._internalReaders):
        reactor._removeInternalReader(reader)
        reader.connectionLost(None)


# Twisted: programs


def process_exited(monitor: ProcessMonitor, name: str) -> None:
    """Tell a monitor that a process has ended, so that it starts it again if it is running."""
    monitor._monitoredProcessExited(name)


def kill_calls(monitor: ProcessMonitor) -> Iterable[IDelayedCall]:
    """Return the calls that kill the processes that were asked to stop and have not done so."""
    return cast("Mapping[str, IDelayedCall]", monitor.murder).values()


def log_file_observer(twistd_options: Mapping[str, Any]) -> FileLogObserver:
    """
    Return an observer that writes to the log file, or to standard output, as twistd's options say.

    @return: one whose C{formatEvent} may be replaced.
    """
    from twisted.scripts.twistd import _SomeApplicationRunner  # type: ignore[attr-defined]

    make_logger = cast("Callable[[Mapping[str, Any]], Any]", _SomeApplicationRunner.loggerFactory)
    return cast("FileLogObserver", make_logger(twistd_options)._getLogObserver())
