"""What moves the bytes: the reactor that Twisted would take, or a faster one."""

from __future__ import annotations

import sys
from enum import Enum
from importlib.util import find_spec
from typing import cast

from twisted.internet.main import installReactor
from twisted.logger import Logger

from echoreply.endpoint import IServerReactor

_log = Logger("echoreply")


class Engine(Enum):
    """What moves the bytes."""

    AUTO = "auto"
    """uvloop where it is installed, unless somebody has chosen a reactor."""
    TWISTED = "twisted"
    """The reactor that has been chosen, or else Twisted's default."""
    UVLOOP = "uvloop"
    """uvloop's event loop and transports."""


def check(engine: Engine) -> None:
    """
    Tell whether an engine can be had.

    @raise ValueError: it can't. The text says why, for people.
    """
    if engine is Engine.UVLOOP:
        if find_spec("uvloop") is None:
            raise ValueError("--engine uvloop needs the package uvloop, which is not installed here")
        if _reactor_was_chosen():
            raise ValueError("--engine uvloop is a reactor of its own, and another is installed: leave out --reactor")


def start(engine: Engine) -> IServerReactor:
    """
    Give the process its reactor.

    It is done when the service is made: twistd has read all options then, and has not imported the reactor yet, which
    would install the default one, unless a person has chosen another by C{--reactor}. An event loop that is made
    before twistd becomes a daemon survives that.
    """
    wanted = engine is not Engine.TWISTED and not _reactor_was_chosen() and find_spec("uvloop") is not None
    if wanted:
        import uvloop

        from echoreply.native.reactor import NativeReactor

        installReactor(NativeReactor(uvloop.new_event_loop()))
    from twisted.internet import reactor

    _log.info("engine: {engine} ({reactor})", engine="uvloop" if wanted else "twisted", reactor=type(reactor).__name__)
    return cast(IServerReactor, reactor)


def _reactor_was_chosen() -> bool:
    return "twisted.internet.reactor" in sys.modules
