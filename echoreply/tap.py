"""C{twistd echoreply}: the server's options, and its service made from them."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import cast

from twisted.application.service import IService, MultiService
from twisted.internet.error import CannotListenError
from twisted.python import usage

from echoreply import __version__
from echoreply.address import host_and_port
from echoreply.endpoint import IServerReactor, server_endpoint
from echoreply.log import LogObserver
from echoreply.protocol import ReplyFactory
from echoreply.service import ReplyService
from echoreply.settings import Settings

_DEFAULTS = Settings()


class Options(usage.Options):
    """
    The options of the server.

    @ivar settings: what they say, once they are parsed.
    """

    synopsis = "[options]"
    longdesc = "A TCP reply server, for testing whatever lies between two machines."

    optParameters = [  # noqa: RUF012  # as Twisted declares it
        ["port", "p", _DEFAULTS.port, "TCP port; 0 takes a free one, and the log says which"],
        ["interface", "i", None, "the IP address to bind [default: all, IPv6 and IPv4]"],
        ["prefix", None, os.fsdecode(_DEFAULTS.prefix), "what goes before each reply; may be empty"],
        ["transform", None, _DEFAULTS.transform.value, "of a message's ASCII letters: none, upper or lower"],
        ["framing", None, _DEFAULTS.framing.value, "where a message ends: line, at LF; read, where a read ends;"
         " auto, at LF, and before a client's first LF also at a silence"],
        ["pause", None, _DEFAULTS.pause, "seconds of silence that end a message under --framing auto"],
        ["max-message", None, _DEFAULTS.max_message, "bytes a message may have; one more ends the connection"],
        ["log-messages", None, _DEFAULTS.log_messages, "messages logged a second, the rest are counted; 0: none"],
        ["drain", None, _DEFAULTS.drain, "seconds that clients get to take their replies when the server stops"],
    ]  # fmt: skip
    settings: Settings

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
        except ValueError as error:
            raise usage.UsageError(str(error)) from None


class CannotListen(Exception):  # noqa: N818
    """The address is taken, or not ours to take."""


class TwistdService(MultiService):
    """A service that says in one line why it can't start. For twistd only, since it speaks for the whole process."""

    def privilegedStartService(self) -> None:
        """
        Start what needs privileges.

        @raise CannotListen: with no traceback, neither here nor from Python: twistd passes it on, having removed its
            pid file and, if it is a daemon, told the process that waits for it to start.
        """
        try:
            super().privilegedStartService()  # type: ignore[no-untyped-call]
        except CannotListenError as error:
            sys.tracebacklimit = 0
            where = host_and_port(error.interface or "*", error.port)
            reason = error.socketError.strerror
            raise CannotListen(f"cannot listen on {where}: {reason}") from None


def makeService(options: Options, reactor: IServerReactor | None = None) -> IService:
    """Make the server."""
    if reactor is None:
        from twisted.internet import reactor as the_reactor

        reactor = cast(IServerReactor, the_reactor)
    settings = options.settings
    if isinstance(sys.stdout, TextIOWrapper):
        # A log line with a character that the terminal's encoding lacks would be lost.
        sys.stdout.reconfigure(errors="backslashreplace")
    observer = LogObserver(reactor, settings.log_messages)
    factory = ReplyFactory(reactor, settings.rules, pause=settings.pause, observer=observer)
    endpoint = server_endpoint(reactor, settings.interface, settings.port)
    service = TwistdService()  # type: ignore[no-untyped-call]
    ReplyService(reactor, endpoint, factory, settings.drain).setServiceParent(service)  # type: ignore[no-untyped-call]
    return service
