"""C{twistd echoreply}: the server's options, and its service made from them."""

from __future__ import annotations

import sys
from functools import partial
from io import TextIOWrapper
from typing import cast

from twisted.application.service import IService

from echoreply.admission import Admission
from echoreply.assembly import reply_factory, roads
from echoreply.daemon import TwistdService, told_in_a_line
from echoreply.descriptors import connections_allowed
from echoreply.endpoint import IServerReactor
from echoreply.engine import Engine, start_engine
from echoreply.events import EngineChosen, tell
from echoreply.log import LogObserver
from echoreply.logformat import LogFormat, json_observer
from echoreply.options import Options
from echoreply.service import ReplyService

__all__ = ["Options", "makeService"]


def makeService(options: Options, reactor: IServerReactor | None = None) -> IService:
    """Make the server."""
    settings = options.settings
    several = settings.workers > 1
    if reactor is None:
        # Who supervises processes has to hear of their ends, of which uvloop's event loop lets nobody else hear.
        reactor = start_engine(Engine.TWISTED if several else options.engine)
    tell(EngineChosen(engine=options.engine.value))
    if isinstance(sys.stdout, TextIOWrapper):
        # A log line with a character that the terminal's encoding lacks would be lost.
        sys.stdout.reconfigure(errors="backslashreplace")
    log_observer = None
    if settings.log_format is LogFormat.JSON and options.parent:
        log_observer = partial(json_observer, options.parent)
    if several:
        # It imports the reactor.
        from echoreply.workers import IWorkersReactor, Workers

        return TwistdService(reactor, Workers(cast(IWorkersReactor, reactor), settings, options.engine), log_observer)
    admission = Admission(connections_allowed(reactor, settings.max_connections), settings.max_per_host)
    observers = [admission, LogObserver(reactor, settings.log_messages)]
    with told_in_a_line():
        factory, renewals = reply_factory(reactor, settings, admission.refusal, observers)
        service = ReplyService(reactor, roads(reactor, settings, factory), factory, settings.drain, renewals)
    return TwistdService(reactor, service, log_observer)
