"""What moves the bytes: the reactor that Twisted would take, or a faster one."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import cast

from twisted.internet.main import installReactor

from echoreply.net.endpoints import IServerReactor
from echoreply.server.settings import Engine


def resolve(engine: Engine) -> Engine:
    """
    Decide what C{AUTO} is.

    @return: C{TWISTED} or C{UVLOOP}.
    @raise ValueError: it can't be had. The text says why, for people.
    """
    installed, chosen = find_spec("uvloop") is not None, "twisted.internet.reactor" in sys.modules
    if engine is Engine.AUTO:
        return Engine.UVLOOP if installed and not chosen else Engine.TWISTED
    if engine is Engine.UVLOOP and not installed:
        raise ValueError("--engine uvloop needs the package uvloop, which is not installed here")
    if engine is Engine.UVLOOP and chosen:
        raise ValueError("--engine uvloop is a reactor of its own, and another is installed: leave out --reactor")
    return engine


def start_engine(engine: Engine) -> IServerReactor:
    """
    Give the process its reactor.

    This is done when the service is made: twistd has read all options then, and has not imported the reactor yet, which
    would install the default one, unless a person has chosen another by C{--reactor}. An event loop that is made
    before twistd becomes a daemon survives that.
    """
    if engine is Engine.UVLOOP:
        import uvloop

        from echoreply.native.reactor import NativeReactor

        installReactor(NativeReactor(uvloop.new_event_loop()))
    from twisted.internet import reactor

    return cast(IServerReactor, reactor)
