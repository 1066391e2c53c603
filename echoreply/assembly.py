"""A server in one process, put together from its settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IAddress, IStreamServerEndpoint

from echoreply.endpoint import IServerReactor
from echoreply.observer import IReplyObserver
from echoreply.protocol import ReplyFactory
from echoreply.reasons import CloseReason
from echoreply.service import ReplyService
from echoreply.settings import Settings


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
