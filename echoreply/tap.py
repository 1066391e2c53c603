"""C{twistd echoreply}: the server's options, and its service made from them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from io import TextIOWrapper
from typing import cast

from twisted.application.service import IService
from twisted.internet.interfaces import IAddress, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python import usage

from echoreply import __version__
from echoreply.admission import Admission
from echoreply.daemon import TwistdService, told_in_a_line
from echoreply.descriptors import connections_allowed
from echoreply.endpoint import IServerReactor, described_endpoint, server_endpoint
from echoreply.engine import Engine, resolve, start_engine
from echoreply.log import LogObserver
from echoreply.observer import IReplyObserver
from echoreply.protocol import ReplyFactory
from echoreply.reasons import CloseReason
from echoreply.service import ReplyService
from echoreply.settings import Settings

_DEFAULTS = Settings()

_log = Logger("echoreply")


class Options(usage.Options):
    """
    The options of the server.

    @ivar settings: what they say, once they are parsed.
    @ivar engine: which engine that is, if C{AUTO} was said.
    """

    synopsis = "[options]"
    longdesc = "A TCP reply server, for testing whatever lies between two machines."

    optParameters = [  # noqa: RUF012  # as Twisted declares it
        ["listen", "l", None, "a Twisted server endpoint to listen on, in place of --port and --interface, such as"
         " systemd:domain=INET:index=0"],
        ["port", "p", _DEFAULTS.port, "TCP port; 0 takes a free one, and the log says which"],
        ["interface", "i", None, "the IP address to bind [default: all, IPv6 and IPv4]"],
        ["prefix", None, os.fsdecode(_DEFAULTS.prefix), "what goes before each reply; may be empty"],
        ["transform", None, _DEFAULTS.transform.value, "of a message's ASCII letters: none, upper or lower"],
        ["framing", None, _DEFAULTS.framing.value, "where a message ends: line, at LF; read, where a read ends;"
         " auto, at LF, and before a client's first LF also at a silence"],
        ["pause", None, _DEFAULTS.pause, "seconds of silence that end a message under --framing auto"],
        ["max-message", None, _DEFAULTS.max_message, "bytes a message may have; one more ends the connection"],
        ["log-messages", None, _DEFAULTS.log_messages, "messages logged a second, the rest are counted; 0: none"],
        ["idle-timeout", None, _DEFAULTS.idle_timeout, "seconds after which a client is left that completes no message"
         " and takes no byte; 0: never"],
        ["max-connections", None, _DEFAULTS.max_connections, "connections at once; 0: as many as open files allow"],
        ["max-per-host", None, _DEFAULTS.max_per_host, "connections at once from one IP address; 0: any number"],
        ["engine", None, _DEFAULTS.engine.value, "what moves the bytes: twisted, its reactor; uvloop, faster;"
         " auto, uvloop where it is installed and twistd has no --reactor"],
        ["drain", None, _DEFAULTS.drain, "seconds that clients get to take their replies when the server stops"],
        ["workers", None, _DEFAULTS.workers, "server processes that share the port; auto: one a core"],
    ]  # fmt: skip
    settings: Settings
    engine: Engine

    def opt_version(self) -> None:
        """Display the version and exit."""
        print(f"echoreply {__version__}")
        sys.exit(0)

    def parseArgs(self, *arguments: str) -> None:
        """Refuse arguments: there are options only."""
        if arguments:
            raise usage.UsageError(f"echoreply takes options and nothing else, not {arguments[0]!r}")

    def postOptions(self) -> None:
        """Check all values, and make the settings of them."""
        try:
            self.settings = Settings.parse({name.replace("-", "_"): value for name, value in self.items()})
            self.engine = resolve(self.settings.engine)
        except ValueError as error:
            raise usage.UsageError(str(error)) from None


def makeService(options: Options, reactor: IServerReactor | None = None) -> IService:
    """Make the server."""
    settings = options.settings
    several = settings.workers > 1
    if reactor is None:
        # Who supervises processes has to hear of their ends, of which uvloop's event loop lets nobody else hear.
        reactor = start_engine(Engine.TWISTED if several else options.engine)
    _log.info("engine: {engine}", engine=options.engine.value)
    if isinstance(sys.stdout, TextIOWrapper):
        # A log line with a character that the terminal's encoding lacks would be lost.
        sys.stdout.reconfigure(errors="backslashreplace")
    if several:
        # It imports the reactor.
        from echoreply.workers import IWorkersReactor, Workers

        return TwistdService(reactor, Workers(cast(IWorkersReactor, reactor), settings, options.engine), "")
    with told_in_a_line(settings.listen):
        endpoint = (
            described_endpoint(reactor, settings.listen)
            if settings.listen
            else server_endpoint(reactor, settings.interface, settings.port)
        )
    admission = Admission(connections_allowed(reactor, settings.max_connections), settings.max_per_host)
    observers = [admission, LogObserver(reactor, settings.log_messages)]
    service = reply_service(reactor, settings, endpoint, admission.refusal, observers)
    return TwistdService(reactor, service, settings.listen)


def reply_service(
    reactor: IServerReactor,
    settings: Settings,
    endpoint: IStreamServerEndpoint,
    refusal: Callable[[IAddress], CloseReason | None],
    observers: Iterable[IReplyObserver],
) -> ReplyService:
    """Make the service that serves in one process."""
    factory = ReplyFactory(
        reactor,
        settings.rules,
        pause=settings.pause,
        idle_timeout=settings.idle_timeout,
        refusal=refusal,
        observers=observers,
    )
    passed_on = settings.listen.startswith("systemd:")
    return ReplyService(reactor, endpoint, factory, settings.drain, passed_on=passed_on)
