"""
A reply server's protocol and its factory.

The protocol moves bytes between a transport and a L{Conversation}, and decides when to read, when to wait and when to
close. Its promises on closing are those of RFC 9112, section 9.6: the sending side first, then what the client still
sends is read and dropped until it has closed too, since closing a socket that holds unread bytes makes the kernel send
a reset, which can overtake the last replies.
"""

from __future__ import annotations

from functools import partial

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IPushProducer,
    IReactorTime,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from echoreply.conversation import Conversation, Ending, Rules
from echoreply.observer import CloseReason, Connection, IReplyObserver, NoObserver
from echoreply.timer import Timer
from echoreply.transport import IDuplexTransport, at_end, unread, unsent

DEFAULT_PAUSE = 0.2

LINGER_SECONDS = 2.0
"""Seconds of quiet, once our side is closed and the client has taken everything, after which we close altogether."""

CLOSE_SECONDS = 600.0
"""
Seconds that a client may take, once we have said all, to take the last replies and to fall quiet or close.

A client may well be slow: when we have nothing left to write, the kernel still holds megabytes for it.
"""

_REASONS = {Ending.FAREWELL: CloseReason.FAREWELL, Ending.TOO_LONG: CloseReason.TOO_LONG}


@implementer(IHalfCloseableProtocol, IPushProducer)
class ReplyProtocol(Protocol):
    """
    Answers one client. Made by L{ReplyFactory}.

    It is its transport's push producer: while the client does not take its replies, it is not read from.

    @ivar connection: what observers are told about.
    """

    factory: ReplyFactory
    transport: IDuplexTransport
    connection: Connection

    def __init__(self, clock: IReactorTime, conversation: Conversation, pause: float) -> None:
        self._conversation = conversation
        self._pause = Timer(clock, pause, self._silence)
        self._linger = Timer(clock, LINGER_SECONDS, self._quiet)
        self._deadline = Timer(clock, CLOSE_SECONDS, partial(self.give_up, CloseReason.UNREAD))
        self._blocked = False
        self._client_finished = False
        self._closing: CloseReason | None = None
        self._flushed = False
        self._draining = False
        self._owed_reads = 0

    # What the transport tells.

    def connectionMade(self) -> None:
        """Begin."""
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self.factory.opened(self)

    def dataReceived(self, data: bytes) -> None:
        """Answer what the client has sent, as far as it takes the replies."""
        self.connection.received += len(data)
        if self._closing:
            if self._flushed:
                self._linger.start()
            return
        self._conversation.receive(data)
        if self._draining:
            self._owed_reads -= len(data)
        self._go_on()

    def readConnectionLost(self) -> None:
        """Answer what is left: the client has closed its sending side."""
        self._client_finished = True
        if self._closing:
            self.transport.loseConnection()
            return
        self._conversation.finish_message()
        self._go_on()

    def writeConnectionLost(self) -> None:
        """Wait for the client to close, too, or to fall quiet: our side is closed."""
        self._flushed = True
        self._linger.start()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Clean up, and say why it ended."""
        for timer in (self._pause, self._linger, self._deadline):
            timer.stop()
        if reason.check(ConnectionDone, ConnectionAborted):
            why = self._closing or CloseReason.CLIENT
        else:
            why = CloseReason.RESET
        self.factory.closed(self, why)

    # What the transport asks, as the consumer of our replies.

    def pauseProducing(self) -> None:
        """Stop answering and reading: the client is behind with its replies."""
        self._blocked = True
        self._pause.stop()
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Go on with what was received, then with reading."""
        self._blocked = False
        self._go_on()
        if not (self._blocked or self._client_finished):
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """Do nothing: C{connectionLost} follows."""

    # What the factory asks.

    def drain(self) -> None:
        """Answer what has arrived, flush and close, without waiting for the client to end."""
        if not (self._draining or self._closing):
            self._draining = True
            self._owed_reads = unread(self.transport)
            self._go_on()

    def give_up(self, reason: CloseReason = CloseReason.ABORTED) -> None:
        """Wait no longer for the client. Replies that it has not made room for are lost, and C{reason} says why."""
        if self._conversation.awaits_silence and not (self._blocked or self._closing):
            # There is no time for the whole pause.
            self._conversation.finish_message()
            self._go_on()
            self.transport.loseConnection()
        elif self._flushed:
            self.transport.loseConnection()
        else:
            self._closing = reason
            self.transport.abortConnection()

    def _go_on(self) -> None:
        """Answer what can be answered now, then do what the state of the conversation asks for."""
        conversation = self._conversation
        while not self._blocked and (batch := conversation.next_batch()):
            self.connection.sent += len(batch.replies)
            self.transport.write(batch.replies)
            if batch.messages.count:
                self.connection.messages += batch.messages.count
                self.factory.observer.answered(self.connection, batch.messages)
        self._pause.stop()
        if not conversation.answered:
            return
        if conversation.ending:
            self._close(_REASONS[conversation.ending])
        elif self._client_finished:
            self._close(CloseReason.CLIENT)
        elif conversation.awaits_silence:
            if not self._blocked:
                self._pause.start()
        elif self._draining and self._owed_reads <= 0 and not at_end(self.transport):
            self._close(CloseReason.SHUTDOWN)

    def _silence(self) -> None:
        """End the message that is unfinished, unless it goes on in what only waits to be read."""
        if unread(self.transport):
            self._pause.start()
            return
        self._conversation.finish_message()
        self._go_on()

    def _close(self, reason: CloseReason) -> None:
        """Flush and close our side, then wait for the client to close its own."""
        self._closing = reason
        self._deadline.start()
        # A transport with a producer that it has paused would not close.
        self.transport.unregisterProducer()
        if self._client_finished or ISSLTransport.providedBy(self.transport):
            # TLS ends by an exchange of its own, RFC 8446, section 6.1.
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()
            self.transport.resumeProducing()

    def _quiet(self) -> None:
        """Close altogether, unless the kernel still sends: by now nothing comes that would be answered with a reset."""
        if unsent(self.transport):
            self._linger.start()
        else:
            self.transport.loseConnection()


class ReplyFactory(ServerFactory):
    """
    Makes a L{ReplyProtocol} for every client, and knows those that are connected.

    @param clock: where time comes from, such as the reactor.
    @param rules: where a message ends and what it is answered with.
    @param pause: how many seconds of silence end a message, under L{Framing.AUTO <echoreply.framing.Framing.AUTO>},
        before a connection's first LF.
    @param observer: is told what happens.
    @ivar accepted: how many clients there have been.
    @ivar protocols: those that are connected.
    """

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        rules: Rules | None = None,
        *,
        pause: float = DEFAULT_PAUSE,
        observer: IReplyObserver | None = None,
    ) -> None:
        self._clock = clock
        self._rules = rules or Rules()
        self._pause = pause
        self.accepted = 0
        self._empty: list[Deferred[None]] = []
        self.observer: IReplyObserver = observer or NoObserver()
        self.protocols: set[ReplyProtocol] = set()

    def buildProtocol(self, addr: IAddress | None) -> ReplyProtocol:  # type: ignore[override]
        """Make the protocol for a client."""
        protocol = ReplyProtocol(self._clock, Conversation(self._rules), self._pause)
        protocol.factory = self
        return protocol

    def opened(self, protocol: ReplyProtocol) -> None:
        """Take note of a client. For protocols to call."""
        self.accepted += 1
        transport = protocol.transport
        protocol.connection = Connection(self.accepted, transport.getPeer(), transport.getHost())
        self.protocols.add(protocol)
        self.observer.opened(protocol.connection)

    def closed(self, protocol: ReplyProtocol, reason: CloseReason) -> None:
        """Take note that a client is gone. For protocols to call."""
        self.protocols.remove(protocol)
        self.observer.closed(protocol.connection, reason)
        if not self.protocols:
            waiting, self._empty = self._empty, []
            for deferred in waiting:
                deferred.callback(None)

    def drain(self) -> Deferred[None]:
        """
        Let every client go: answer what it has sent, flush and close.

        @return: fires when the last has gone.
        """
        for protocol in list(self.protocols):
            protocol.drain()
        if not self.protocols:
            return succeed(None)
        empty: Deferred[None] = Deferred()
        self._empty.append(empty)
        return empty

    def give_up(self) -> None:
        """Wait no longer for those who are still connected."""
        for protocol in list(self.protocols):
            protocol.give_up()
