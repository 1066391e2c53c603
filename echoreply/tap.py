"""The entry point of C{twistd echoreply}: its options, and the service that it runs."""

from __future__ import annotations

import sys
from functools import partial
from io import TextIOWrapper

from twisted.application.service import IService

from echoreply.net.endpoints import IServerReactor
from echoreply.observe.event_logging import log_event
from echoreply.observe.events import EngineChosen
from echoreply.observe.log_format import json_observer
from echoreply.server.compose import compose
from echoreply.server.engine import start_engine
from echoreply.server.options import Options
from echoreply.server.settings import Engine, LogFormat
from echoreply.server.signals import hide_start_traceback

__all__ = ["Options", "makeService"]


def makeService(options: Options, reactor: IServerReactor | None = None) -> IService:
    """Return the service that twistd runs. Without a C{reactor}, the one of the I/O engine is installed."""
    settings = options.settings
    if reactor is None:
        # A supervisor needs to know when a process ends, which uvloop's event loop does not report to others.
        reactor = start_engine(Engine.TWISTED if settings.workers > 1 else options.engine)
    with hide_start_traceback():
        options.check_start(reactor)
    log_event(EngineChosen(engine=options.engine.value))
    if isinstance(sys.stdout, TextIOWrapper):
        # A log line with a character that the terminal's encoding lacks would be lost.
        sys.stdout.reconfigure(errors="backslashreplace")
    with hide_start_traceback():
        server = compose(reactor, settings, options.engine)
    json = settings.log_format is LogFormat.JSON and options.parent
    return server.top_service(reactor, partial(json_observer, json) if json else None)
