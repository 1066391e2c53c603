"""The I/O engine: the choice between Twisted's own reactors and uvloop, and the installation of the reactor."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import cast

from twisted.internet.main import installReactor

from echoreply.net.endpoints import IServerReactor
from echoreply.server.settings import Engine, OptionError


def resolve(engine: Engine) -> Engine:
    """
    Return C{TWISTED} or C{UVLOOP}: the engine itself, or the one that C{AUTO} selects.

    @raise OptionError: uvloop is not installed, or another reactor is. The text is for people.
    """
    installed, chosen = find_spec("uvloop") is not None, "twisted.internet.reactor" in sys.modules
    if engine is Engine.AUTO:
        return Engine.UVLOOP if installed and not chosen else Engine.TWISTED
    if engine is Engine.UVLOOP and not installed:
        raise OptionError("--engine uvloop needs the package uvloop, which is not installed here", "engine")
    if engine is Engine.UVLOOP and chosen:
        raise OptionError(
            "--engine uvloop is a reactor of its own, and another is installed: leave out --reactor", "engine"
        )
    return engine


def start_engine(engine: Engine) -> IServerReactor:
    """
    Install and return the reactor of this process.

    Call this when the service is made: by then twistd has read all options, but has not installed the default reactor
    yet. The event loop still works after twistd becomes a daemon.
    """
    if engine is Engine.UVLOOP:
        import uvloop

        from echoreply.native.reactor import NativeReactor

        installReactor(NativeReactor(uvloop.new_event_loop()))
    from twisted.internet import reactor

    return cast(IServerReactor, reactor)
