"""
A reply server's protocol and its factory.

The protocol moves bytes between a transport and a L{Conversation}, and decides when to read, when to wait and when to
close. Its promises on closing are those of RFC 9112, section 9.6: the sending side first, then what the client still
sends is read and dropped until it has closed too, since closing a socket that holds unread bytes makes the kernel send
a reset, which can overtake the last replies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IHandshakeListener,
    ILoggingContext,
    IPushProducer,
    IReactorTime,
    ISSLTransport,
)
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from echoreply.core.connection_info import ConnectionInfo, TLSDetails
from echoreply.core.conversation import Batch, Conversation, Rules
from echoreply.core.defaults import DEFAULT_IDLE_TIMEOUT, DEFAULT_PAUSE
from echoreply.core.reasons import EndReason, RefusalReason
from echoreply.net.addresses import plain_address
from echoreply.net.listener import Listener
from echoreply.net.timer import Timer
from echoreply.net.transport import IDuplexTransport, ISecureTransport, at_end, is_secure, taken, unread, unsent
from echoreply.observe.observer import Connection, ReplyObserver
from echoreply.observe.publisher import Publisher
from echoreply.observe.sampling import SamplingClock
from echoreply.observe.totals_observer import TotalsObserver

LINGER_SECONDS = 2.0
"""Seconds of quiet, once our side is closed and the client has taken everything, after which we close altogether."""


BUFFER = 20480
"""
Bytes that are read at once, and that wait to be written before we pause.

A thousand clients that do not read cost a thousand times a few of these, see the decisions.
"""

LINGERING_REFUSED = 32
"""Clients that were refused and that we wait for to close, at most: they, too, occupy a descriptor."""


@implementer(IHalfCloseableProtocol, IHandshakeListener, IPushProducer)
class ReplyProtocol(Protocol):
    """
    Answers one client. Made by L{ReplyFactory}.

    It is its transport's push producer: while the client does not take its replies, it is not read from.

    @ivar connection: what observers are told about.
    @ivar closing: why we close, once we do: we have said all, and wait for the client to take it and to close.
    """

    factory: ReplyFactory
    transport: IDuplexTransport
    connection: Connection

    def __init__(
        self,
        clock: IReactorTime,
        conversation: Conversation,
        pause: float,
        listener: Listener,
        sampling_clock: SamplingClock | None = None,
    ) -> None:
        self._clock = clock
        self._conversation = conversation
        self._pause = pause
        self._sampling_clock = sampling_clock
        self._since = 0.0
        self.listener = listener
        self._timer: Timer | None = None
        self._refused = False
        self._lingers = True
        self._blocked = False
        self._client_finished = False
        self._flushed = False
        self._draining = False
        self._owed_until = 0
        self._said = (0, 0)
        self._untaken = 0
        self._all_taken = False
        self._progress_seen = clock.seconds()
        self._expired = False
        self.closing: EndReason | RefusalReason | None = None

    # What the transport tells.

    def connectionMade(self) -> None:
        """Begin."""
        self.transport.bufferSize = BUFFER
        self.transport.registerProducer(self, True)
        self.factory.opened(self)
        if self._conversation.wants_connection_info and not is_secure(self.transport):
            self._greet("unix" if isinstance(self.connection.host, UNIXAddress) else "tcp")

    def handshakeCompleted(self) -> None:
        """Tell what has come of the handshake, and greet the client."""
        if self._refused:
            return
        details = self.transport.tls if ISecureTransport.providedBy(self.transport) else None
        if details:
            self.connection.tls = details
            self.factory.observer.secured(self.connection, details)
        self._greet("tls", details)

    def dataReceived(self, data: bytes) -> None:
        """Answer what the client has sent, as far as it takes the replies."""
        connection = self.connection
        connection.received += len(data)
        sampling_clock = self._sampling_clock
        # As _time() does, which is not called, since this is every read.
        if sampling_clock and sampling_clock.remaining:
            self._since = connection.heard = sampling_clock.sample()
        elif self._since:
            self._since = 0.0
        if not (self._blocked or self._draining or self.closing) and (batch := self._conversation.answer(data)):
            self._write(batch)
            return
        if self.closing:
            if self._flushed and not self._refused:
                self._wait(LINGER_SECONDS, self._quiet)
            return
        # Some transports read more at once, and under Framing.READ a read is a message.
        for start in range(0, len(data), BUFFER):
            self._conversation.receive(data[start : start + BUFFER])
        self._go_on()

    def readConnectionLost(self) -> None:
        """Answer what is left: the client has closed its sending side."""
        self._client_finished = True
        if self.closing:
            self.transport.loseConnection()
            return
        self._finish_message()
        self._go_on()

    def writeConnectionLost(self) -> None:
        """Wait for the client to close, too, or to fall quiet: our side is closed."""
        self._flushed = True
        if not self._refused:
            self._wait(LINGER_SECONDS, self._quiet)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Clean up, and say why it ended."""
        self._stop_waiting()
        # Those of TLS have failures of their own.
        given_up = self.closing in (EndReason.IDLE, EndReason.ABORTED)
        if given_up or isinstance(reason.value, ConnectionDone | ConnectionAborted):
            why = self.closing or EndReason.CLIENT
        else:
            why = EndReason.RESET
        self.factory.closed(self, why)

    # What the transport asks, as the consumer of our replies.

    def pauseProducing(self) -> None:
        """Stop answering and reading: the client is behind with its replies."""
        self._blocked = True
        self._stop_waiting()
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

    def refuse(self, reason: RefusalReason, *, linger: bool) -> None:
        """
        Say that there are too many connections, and close.

        @param linger: whether to wait a moment for the client to close, too. It is never a long one.
        """
        self._refused = True
        self._lingers = linger
        self._conversation.end(reason, "too many connections")
        self._go_on()
        self._wait(LINGER_SECONDS, self._quiet)

    def idle(self, now: float) -> float:
        """
        Tell for how many seconds there has been no progress.

        Progress is a message answered, or a byte of a reply written by us or, where the system tells, taken by the
        client. It is looked for when this is called, so the answer is right to within the time since the last call.
        """
        said = self.connection.messages, self.connection.sent
        # What has been taken stays taken: of the many who have nothing to take, the kernel is not asked.
        if said != self._said or not self._all_taken:
            untaken = unsent(self.transport)
            if said != self._said or untaken != self._untaken:
                self._progress_seen = now
            # What was said just now may not have reached the kernel yet.
            self._all_taken = said == self._said and not untaken
            self._said, self._untaken = said, untaken
        return now - self._progress_seen

    def expire(self) -> None:
        """End an idle connection: gently if the client has taken everything, and only once."""
        if self._expired or self._blocked or unsent(self.transport):
            self.abort(EndReason.IDLE)
            return
        self._expired = True
        if not self.closing:
            self.transport.unregisterProducer()
            self.closing = EndReason.IDLE
        self.transport.loseConnection()

    def drain(self) -> None:
        """Answer what has arrived, flush and close, without waiting for the client to end."""
        if not (self._draining or self.closing):
            self._draining = True
            self._owed_until = taken(self.transport, self.connection.received) + unread(self.transport)
            if self.connection.received:
                self._go_on()
            else:
                # Who has just come may have a message on its way.
                self._wait(self._pause, self._silence)

    def give_up(self) -> None:
        """Wait no longer for the client, but for what it takes at once."""
        if self._conversation.awaits_silence and not (self._blocked or self.closing):
            # There is no time for the whole pause.
            self._finish_message()
            self._go_on()
            if not self.closing:
                self._close(EndReason.SHUTDOWN)
            self.transport.loseConnection()
        elif self._flushed:
            self.transport.loseConnection()
        else:
            self.abort(EndReason.ABORTED)

    def abort(self, reason: EndReason) -> None:
        """Wait for nothing. Replies that the client has not made room for are lost."""
        self.closing = reason
        self.transport.abortConnection()

    def _greet(self, transport: str, tls: TLSDetails | None = None) -> None:
        """Let the conversation begin, if it wants to know with whom."""
        if self.closing or not self._conversation.wants_connection_info:
            return
        connection = self.connection
        peer, host = plain_address(connection.peer), plain_address(connection.host)
        self._write(self._conversation.begin(ConnectionInfo(connection.number, peer, host, transport, tls)))

    def _go_on(self) -> None:
        """Answer what can be answered now, then do what the state of the conversation asks for."""
        conversation = self._conversation
        while not self._blocked and (batch := conversation.next_batch()):
            self._write(batch)
        self._stop_waiting()
        if not conversation.answered:
            return
        if conversation.ending:
            self._close(conversation.ending)
        elif self._client_finished:
            self._close(EndReason.CLIENT)
        elif conversation.awaits_silence:
            if not self._blocked:
                self._wait(self._pause, self._silence)
        elif self._draining and self._reads_done() and not at_end(self.transport):
            self._close(EndReason.SHUTDOWN)

    def _reads_done(self) -> bool:
        """Tell whether all that had arrived when we were to drain has been read."""
        return taken(self.transport, self.connection.received) >= self._owed_until

    def _write(self, batch: Batch) -> None:
        connection = self.connection
        if batch.replies:
            connection.sent += len(batch.replies)
            self.transport.write(batch.replies)
        if batch.count:
            connection.messages += batch.count
            if self._since and self._sampling_clock:
                self.factory.observer.timed(self.listener, batch.count, self._sampling_clock.now() - self._since)
            self.factory.observer.answered(connection, batch)

    def _wait(self, seconds: float, expired: Callable[[], object]) -> None:
        """Wait for one thing: a silence, or once we close, for the client to do so. Most never need to."""
        self._stop_waiting()
        self._timer = Timer(self._clock, seconds, expired)
        self._timer.start()

    def _stop_waiting(self) -> None:
        if self._timer:
            self._timer.stop()
            # It knows us. The circle would keep what waits in the transport until somebody looks for circles.
            self._timer = None

    def _silence(self) -> None:
        """End the message that is unfinished, unless it goes on in what only waits to be read."""
        if unread(self.transport):
            self._wait(self._pause, self._silence)
            return
        self._finish_message()
        self._go_on()

    def _finish_message(self) -> None:
        self._time()
        self._conversation.finish_message()

    def _time(self) -> None:
        """Take note that what comes next is complete from now on, if it is to be known how long it takes."""
        if self._sampling_clock and self._sampling_clock.remaining:
            self._since = self.connection.heard = self._sampling_clock.sample()
        else:
            self._since = 0.0

    def _close(self, reason: EndReason | RefusalReason) -> None:
        """Flush and close our side, then wait for the client to close its own."""
        self.closing = reason
        # A transport with a producer that it has paused would not close.
        self.transport.unregisterProducer()
        if self._client_finished or not self._lingers or ISSLTransport.providedBy(self.transport):
            # TLS ends by an exchange of its own, RFC 8446, section 6.1.
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()
            self.transport.resumeProducing()

    def _quiet(self) -> None:
        """Close altogether, unless the kernel still sends: by now nothing comes that would be answered with a reset."""
        if self._refused and not self._flushed:
            self.transport.abortConnection()
        elif unsent(self.transport) and not self._refused:
            self._wait(LINGER_SECONDS, self._quiet)
        else:
            self.transport.loseConnection()


class ReplyFactory(ServerFactory):
    """
    Makes a L{ReplyProtocol} for every client, and knows those that are connected.

    @param clock: where time comes from, such as the reactor.
    @param rules: where a message ends and what it is answered with.
    @param pause: how many seconds of silence end a message, under L{Framing.AUTO
        <echoreply.core.framing.Framing.AUTO>}, before a connection's first LF.
    @param idle_timeout: for how many seconds a client may be idle; 0 is for ever, but not once we close. Idle is who
        neither completes a message nor takes a byte. It is noticed within a tenth of that time.
    @param permits: is asked whether a client from an address may connect at all; it is closed at once if not.
    @param refusal: is asked whether a client that connects from an address is one too many, and gives the reason.
    @param observers: are told what happens.
    @param sampling_clock: with one, it is told how long messages take, and connections know when they were heard of.
    @ivar rules: those by which clients are answered who come from now on.
    @ivar sampling_clock: that one.
    @ivar arrived: how many clients have connected, the refused included, who have a protocol to be told by.
    @ivar observer: tells them all.
    @ivar counts: what there has been.
    @ivar protocols: those that are connected, the refused included while they are being told.
    """

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        rules: Rules | None = None,
        *,
        pause: float = DEFAULT_PAUSE,
        idle_timeout: float = DEFAULT_IDLE_TIMEOUT,
        permits: Callable[[IAddress], bool] = lambda _peer: True,
        refusal: Callable[[IAddress], RefusalReason | None] = lambda _peer: None,
        observers: Iterable[ReplyObserver] = (),
        sampling_clock: SamplingClock | None = None,
    ) -> None:
        self._clock = clock
        self.rules = rules or Rules()
        self._pause = pause
        self._idle_timeout = idle_timeout
        self._look = Timer(clock, max((idle_timeout or DEFAULT_IDLE_TIMEOUT) / 20, 0.01), self._look_for_idle)
        self._permits = permits
        self._refusal = refusal
        self.sampling_clock = sampling_clock
        self._listener = Listener()
        self._refused: set[ReplyProtocol] = set()
        self._host: IAddress | None = None
        self.arrived = 0
        self._empty: list[Deferred[None]] = []
        self.counts = TotalsObserver()
        self.observer: ReplyObserver = Publisher([self.counts, *observers])
        self.protocols: set[ReplyProtocol] = set()

    def buildProtocol(self, addr: IAddress | None) -> ReplyProtocol | None:  # type: ignore[override]
        """Make the protocol for a client, unless it may not connect."""
        return self.build(addr, self._listener)

    def build(self, addr: IAddress | None, listener: Listener) -> ReplyProtocol | None:
        """Make the protocol for a client who has come in somewhere, unless it may not connect."""
        if addr and not self._permits(addr):
            self.observer.refused(listener, addr, RefusalReason.DENIED)
            return None
        protocol = ReplyProtocol(self._clock, self.rules.converse(), self._pause, listener, self.sampling_clock)
        protocol.factory = self
        return protocol

    def opened(self, protocol: ReplyProtocol) -> None:
        """Take note of a client, and refuse it if it is one too many. For protocols to call."""
        self.arrived += 1
        transport = protocol.transport
        host: IAddress = transport.getHost()
        if self._host is not None and self._host == host:
            # Most come to the same address, and share what tells it.
            host = self._host
        self._host = host
        connection = Connection(self.arrived, transport.getPeer(), host, protocol.listener)
        if self.sampling_clock:
            connection.opened = connection.heard = self.sampling_clock.now()
        protocol.connection = connection
        if not self.protocols:
            self._look.start()
        self.protocols.add(protocol)
        reason = self._refusal(connection.peer)
        if reason:
            self._refused.add(protocol)
            self.observer.refused(protocol.listener, connection.peer, reason)
            protocol.refuse(reason, linger=len(self._refused) <= LINGERING_REFUSED)
        else:
            self.observer.opened(connection)

    def closed(self, protocol: ReplyProtocol, reason: EndReason | RefusalReason) -> None:
        """Take note that a client is gone. For protocols to call."""
        self.protocols.remove(protocol)
        if protocol in self._refused:
            self._refused.remove(protocol)
        elif isinstance(reason, EndReason):
            self.observer.closed(protocol.connection, reason)
        if not self.protocols:
            self._look.stop()
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
        """Wait no longer for those who are still connected, but for what they take at once."""
        for protocol in list(self.protocols):
            protocol.give_up()

    def abort(self) -> None:
        """Wait for nobody."""
        for protocol in list(self.protocols):
            protocol.abort(EndReason.ABORTED)

    def _look_for_idle(self) -> None:
        now = self._clock.seconds()
        for protocol in list(self.protocols):
            limit = self._idle_timeout or (DEFAULT_IDLE_TIMEOUT if protocol.closing else inf)
            idle = protocol.idle(now)
            protocol.connection.idle = min(idle, limit)
            if idle >= limit:
                protocol.expire()
        if self.protocols:
            self._look.start()


@implementer(ILoggingContext)
class ListenerFactory(ServerFactory):
    """
    Makes the protocols of those clients of a L{ReplyFactory} who come in at one listener.

    @ivar factory: that one.
    @param listener: where that is.
    """

    noisy = False

    def __init__(self, factory: ReplyFactory, listener: Listener) -> None:
        self.factory = factory
        self._listener = listener

    def logPrefix(self) -> str:
        """Give the name by which Twisted's ports log a factory: that of the one behind it."""
        return type(self.factory).__name__

    def buildProtocol(self, addr: IAddress | None) -> ReplyProtocol | None:  # type: ignore[override]
        """Make the protocol for a client, unless it may not connect."""
        return self.factory.build(addr, self._listener)
