"""An observer that records its events, and a check that an object is an observer."""

from inspect import isfunction, signature

from twisted.internet.interfaces import IAddress

from echoreply.core.connection_info import TLSDetails
from echoreply.core.framing import Block
from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer, Listener
from echoreply.observe.observer import Connection, Peer, ReplyObserver


def verify_observer(candidate: object) -> None:
    """Assert that an object is an observer whose methods take the arguments that the interface's take."""
    assert isinstance(candidate, ReplyObserver)
    for name, method in vars(ReplyObserver).items():
        if isfunction(method):
            assert [*signature(getattr(type(candidate), name)).parameters] == [*signature(method).parameters], name


class Memory(ReplyObserver):
    """An observer that records its events."""

    def __init__(self) -> None:
        self.hosts: list[IAddress] = []
        self.open: list[Connection] = []
        self.messages: list[bytes] = []
        self.ended: list[tuple[Connection, EndReason]] = []
        self.refusals: list[RefusalReason] = []
        self.handshakes: list[TLSDetails] = []
        self.failures: list[tuple[str, str]] = []
        self.datagrams: list[tuple[Peer, bytes, int]] = []
        self.times: list[tuple[int, float]] = []
        self.drops: list[DropReason] = []
        self.is_stopping = False
        self.has_stopped = False

    def listening(self, listener: Listener) -> None:
        assert listener.host
        self.hosts.append(listener.host)

    def failed(self, listener: Listener, peer: IAddress, layer: Layer, why: str) -> None:
        self.failures.append((layer.label, why))

    def opened(self, connection: Connection) -> None:
        self.open.append(connection)

    def handshake_completed(self, connection: Connection, details: TLSDetails) -> None:
        self.handshakes.append(details)

    def answered(self, connection: Connection, messages: Block) -> None:
        self.messages += messages.bodies()

    def closed(self, connection: Connection, reason: EndReason) -> None:
        self.open.remove(connection)
        self.ended.append((connection, reason))

    def refused(self, listener: Listener, peer: IAddress, reason: RefusalReason) -> None:
        self.refusals.append(reason)

    def answered_datagram(self, listener: Listener, peer: Peer, message: bytes, sent: int) -> None:
        self.datagrams.append((peer, message, sent))

    def timed(self, listener: Listener, messages: int, seconds: float) -> None:
        self.times.append((messages, seconds))

    def dropped(self, listener: Listener, peer: Peer, message: bytes, reason: DropReason) -> None:
        self.drops.append(reason)

    def stopping(self) -> None:
        self.is_stopping = True

    def stopped(self) -> None:
        self.has_stopped = True

    @property
    def reasons(self) -> list[EndReason]:
        return [reason for _, reason in self.ended]
