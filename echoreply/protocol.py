"""
The reply server's protocol, and the factory that makes a protocol for each client.

The protocol moves bytes between a transport and a L{Conversation
<echoreply.core.conversation.Conversation>}, and decides when to read, when to wait and when to
close. It closes as RFC 9112, section 9.6, demands: its sending side first, then it reads and drops what the client
still sends until the client has closed too. Closing a socket that holds unread bytes makes the kernel send a reset,
which can overtake the last replies.

The states of a connection are in L{echoreply.core.connection_state}.
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
from echoreply.core.connection_state import (
    ABORT,
    ABORTED,
    ANSWERING,
    CLIENT_FINISH,
    CLIENT_FINISHED,
    CLOSE,
    DISCONNECTING,
    DRAIN,
    DRAINING,
    FLUSH,
    HALF_CLOSE,
    LINGERING,
    LOSE,
    OPEN,
    TRANSITIONS,
)
from echoreply.core.conversation import Rules
from echoreply.core.defaults import DEFAULT_IDLE_TIMEOUT, DEFAULT_PAUSE
from echoreply.core.framing import Block
from echoreply.core.reasons import EndReason, RefusalReason
from echoreply.net.addresses import plain_address
from echoreply.net.idle_watch import IdleWatch
from echoreply.net.listener import Listener
from echoreply.net.refusal import RefusalProtocol
from echoreply.net.timer import Timer
from echoreply.net.transport import IDuplexTransport, ISecureTransport, at_end, is_secure, taken, unread, unsent
from echoreply.observe.observer import Connection, ReplyObserver
from echoreply.observe.publisher import Publisher
from echoreply.observe.sampling import SamplingClock

LINGER_SECONDS = 2.0
"""Seconds without bytes from the client, once the server's sending side is closed, before the connection is closed."""


BUFFER = 20480
"""
Bytes that are read at once, and that wait to be written before reading is paused.

Each client that does not read costs a few times this much memory: docs/decisions.md.
"""

REFUSALS_AT_ONCE = 32
"""Maximum refused clients that may close first: each of them occupies a descriptor."""


@implementer(IHalfCloseableProtocol, IHandshakeListener, IPushProducer)
class ReplyProtocol(Protocol):
    """
    Answers one client. Made by L{ReplyFactory}.

    It is its transport's push producer: while the client does not take its replies, nothing is read from it.

    @ivar connection: the record of this connection that observers get.
    @ivar state: the state of the connection.
    @ivar end_reason: the reason why the connection ends; C{None} while it is answered.
    """

    factory: ReplyFactory
    transport: IDuplexTransport
    connection: Connection

    _timer: Timer | None = None
    """The timer of the pause that ends a message, or of lingering: never both, and usually neither."""
    _idle_watch: IdleWatch | None = None
    """Created at the first check for idle connections, before which most connections have ended."""
    _drain_until = 0
    """Number of bytes that had arrived when the drain began. They are answered."""

    def __init__(self, factory: ReplyFactory, listener: Listener) -> None:
        self.factory = factory
        self.listener = listener
        self.state = OPEN
        self.end_reason: EndReason | None = None
        self._conversation = factory.rules.new_conversation()
        self._sampling_clock = factory.sampling_clock
        # The time at which the messages being answered were complete, if it was sampled; else 0.
        self._complete_at = 0.0
        # Whether the client is behind with its replies.
        self._blocked = False
        self._made_at = factory.clock.seconds()

    # Called by the transport.

    def connectionMade(self) -> None:
        self.transport.bufferSize = BUFFER
        self.transport.registerProducer(self, True)
        self.factory.opened(self)
        if self._conversation.wants_connection_info and not is_secure(self.transport):
            # Not the listener's transport: with the PROXY protocol on a UNIX socket, scripts get the client's own, and
            # a factory that is used without bindings has a listener without layers.
            self._greet("unix" if isinstance(self.connection.host, UNIXAddress) else "tcp")

    def handshakeCompleted(self) -> None:
        details = self.transport.tls if ISecureTransport.providedBy(self.transport) else None
        if details:
            self.connection.tls = details
            self.factory.observer.handshake_completed(self.connection, details)
        self._greet("tls", details)

    def dataReceived(self, data: bytes) -> None:
        connection = self.connection
        connection.received += len(data)
        sampling_clock = self._sampling_clock
        # _sample() inlined, since this is done for every read.
        if sampling_clock and sampling_clock.remaining:
            self._complete_at = connection.heard = sampling_clock.sample()
        elif self._complete_at:
            self._complete_at = 0.0
        if self.state is OPEN and not self._blocked and (block := self._conversation.answer(data)):
            self._write(block)
        elif self.state in ANSWERING:
            # Some transports read more than BUFFER bytes at once, and under Framing.READ a read is a message.
            for start in range(0, len(data), BUFFER):
                self._conversation.receive(data[start : start + BUFFER])
            self._answer_waiting()
        elif self.state is LINGERING:
            self._wait(LINGER_SECONDS, self._linger_over)

    def readConnectionLost(self) -> None:
        self.state = TRANSITIONS[self.state][CLIENT_FINISH]
        if self.state is CLIENT_FINISHED:
            self._finish_message()
            self._answer_waiting()
        elif self.state is not ABORTED:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        self.state = TRANSITIONS[self.state][FLUSH]
        if self.state is LINGERING:
            self._blocked = False
            self._wait(LINGER_SECONDS, self._linger_over)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_waiting()
        self.state = TRANSITIONS[self.state][LOSE]
        # Once the server closes a connection as idle or aborted, an error of TCP or TLS is not the reason for its end.
        closed_by_us = self.end_reason in (EndReason.IDLE, EndReason.ABORTED)
        if closed_by_us or isinstance(reason.value, ConnectionDone | ConnectionAborted):
            why = self.end_reason or EndReason.CLIENT
        else:
            why = EndReason.RESET
        self.factory.closed(self, why)

    # Called by the transport as the consumer of the replies.

    def pauseProducing(self) -> None:
        """Stop answering and reading: the client is behind with its replies."""
        self._blocked = True
        self._stop_waiting()
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Answer what was received meanwhile, then read again."""
        self._blocked = False
        if self.state not in ANSWERING:
            return
        finished = self.state is CLIENT_FINISHED
        self._answer_waiting()
        if not (self._blocked or finished):
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        pass  # connectionLost follows.

    # Called by the factory.

    def idle_seconds(self, now: float) -> float:
        """Return the seconds without progress: L{IdleWatch}."""
        if not self._idle_watch:
            self._idle_watch = IdleWatch(self._made_at)
        connection = self.connection
        return self._idle_watch.idle_seconds(now, connection.messages, connection.sent, self.transport)

    def close_idle(self) -> None:
        """Close an idle connection; reset it if replies have not been taken, or if it is being closed already."""
        if self.state in (DISCONNECTING, ABORTED) or self._blocked or unsent(self.transport):
            self.abort(EndReason.IDLE)
            return
        self._stop_waiting()
        if self.state in ANSWERING:
            self.end_reason = EndReason.IDLE
            self.transport.unregisterProducer()
        self._close()

    def drain(self) -> None:
        """Answer what has arrived, flush and close, without waiting for the client to close."""
        before = self.state
        self.state = TRANSITIONS[self.state][DRAIN]
        if before is not OPEN:
            return
        self._drain_until = taken(self.transport, self.connection.received) + unread(self.transport)
        if self.connection.received:
            self._answer_waiting()
        else:
            # The first message of a client that has just connected may not have arrived yet.
            self._wait(self.factory.pause, self._pause_over)

    def end_drain(self) -> None:
        """End the drain: answer an unfinished message and close; close a lingering connection; reset any other."""
        if self.state in ANSWERING and self._conversation.awaits_silence and not self._blocked:
            # There is no time for the whole pause.
            self._finish_message()
            self._answer_waiting()
            if self.state in ANSWERING:
                self._finish(EndReason.SHUTDOWN)
            if self.state is not DISCONNECTING:
                self._close()
        elif self.state is LINGERING:
            self._close()
        else:
            self.abort(EndReason.ABORTED)

    def abort(self, reason: EndReason) -> None:
        """Reset the connection. Replies that the client has not made room for are lost."""
        self._stop_waiting()
        self.state = TRANSITIONS[self.state][ABORT]
        self.end_reason = reason
        self.transport.abortConnection()

    # Answering.

    def _greet(self, transport: str, tls: TLSDetails | None = None) -> None:
        """Send the greeting, if there is one."""
        if self.state not in ANSWERING or not self._conversation.wants_connection_info:
            return
        connection = self.connection
        peer, host = plain_address(connection.peer), plain_address(connection.host)
        self._write(self._conversation.greet(ConnectionInfo(connection.number, peer, host, transport, tls)))

    def _answer_waiting(self) -> None:
        """Answer as much as the client takes; then close, or wait for a pause, if nothing else is left to do."""
        conversation = self._conversation
        while not self._blocked and (block := conversation.next_replies()):
            self._write(block)
        self._stop_waiting()
        if not conversation.answered:
            return
        if conversation.ending:
            self._finish(conversation.ending)
        elif self.state is CLIENT_FINISHED:
            self._finish(EndReason.CLIENT)
        elif conversation.awaits_silence:
            if not self._blocked:
                self._wait(self.factory.pause, self._pause_over)
        elif self.state is DRAINING and self._drained() and not at_end(self.transport):
            self._finish(EndReason.SHUTDOWN)

    def _drained(self) -> bool:
        """Return whether all bytes have been read that had arrived when the drain began."""
        return taken(self.transport, self.connection.received) >= self._drain_until

    def _write(self, block: Block) -> None:
        connection = self.connection
        if block.replies:
            connection.sent += len(block.replies)
            self.transport.write(block.replies)
        if block.count:
            connection.messages += block.count
            if self._complete_at and self._sampling_clock:
                self.factory.observer.timed(self.listener, block.count, self._sampling_clock.now() - self._complete_at)
            self.factory.observer.answered(connection, block)

    def _finish_message(self) -> None:
        self._sample()
        self._conversation.finish_message()

    def _sample(self) -> None:
        """Store the current time as when the next messages were complete, if the sampling clock has readings left."""
        if self._sampling_clock and self._sampling_clock.remaining:
            self._complete_at = self.connection.heard = self._sampling_clock.sample()
        else:
            self._complete_at = 0.0

    # Waiting.

    def _wait(self, seconds: float, expired: Callable[[], object]) -> None:
        self._stop_waiting()
        self._timer = Timer(self.factory.clock, seconds, expired)
        self._timer.start()

    def _stop_waiting(self) -> None:
        if self._timer:
            self._timer.stop()
            # Breaks the reference cycle with the timer, which would keep the transport's buffers alive.
            self._timer = None

    def _pause_over(self) -> None:
        """End the unfinished message, unless more of it is waiting to be read."""
        if unread(self.transport):
            self._wait(self.factory.pause, self._pause_over)
            return
        self._finish_message()
        self._answer_waiting()

    def _linger_over(self) -> None:
        """Close the connection, unless the kernel is still sending. The client is quiet, so closing causes no reset."""
        if unsent(self.transport):
            self._wait(LINGER_SECONDS, self._linger_over)
        else:
            self._close()

    # Closing.

    def _finish(self, reason: EndReason) -> None:
        """Close the sending side after the last replies, then wait for the client to close its own."""
        self.end_reason = reason
        # A transport does not close while it has a paused producer.
        self.transport.unregisterProducer()
        if self.state is CLIENT_FINISHED or ISSLTransport.providedBy(self.transport):
            # TLS ends by an exchange of its own, RFC 8446, section 6.1.
            self._close()
        else:
            self.state = TRANSITIONS[self.state][HALF_CLOSE]
            self.transport.loseWriteConnection()
            self.transport.resumeProducing()

    def _close(self) -> None:
        """Close the whole connection after the last replies."""
        self.state = TRANSITIONS[self.state][CLOSE]
        self.transport.loseConnection()


class ReplyFactory(ServerFactory):
    """
    Makes a L{ReplyProtocol} for every client, and keeps track of those that are connected.

    @param clock: the source of time, such as the reactor.
    @param rules: the rules for framing and replies.
    @param pause: seconds of silence that end a message, under L{Framing.AUTO
        <echoreply.core.framing.Framing.AUTO>}, before a connection's first LF.
    @param idle_timeout: seconds without progress after which a client is disconnected, to within a tenth. 0 disables
        it, but not for connections that are being closed.
    @param permits: returns whether a client from an address may connect. If not, it is disconnected without a line.
    @param refusal: returns the reason to refuse a client that connects from an address; C{None} if there is none. The
        client gets the reason's error line, if it has one. Called once for each permitted client, just before its
        protocol is made.
    @param observers: notified of every event.
    @param sampling_clock: if given, it times messages, and the last activity of connections.
    @ivar rules: the rules for clients that connect from now on.
    @ivar observer: passes each event on to all observers.
    @ivar protocols: the protocols of accepted connections.
    @ivar refusing: the protocols of refused clients that are still connected.
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
        self.clock = clock
        self.rules = rules or Rules()
        self.pause = pause
        self.sampling_clock = sampling_clock
        self._idle_timeout = idle_timeout
        self._idle_timer = Timer(clock, max((idle_timeout or DEFAULT_IDLE_TIMEOUT) / 20, 0.01), self._close_idle)
        self._permits = permits
        self._refusal = refusal
        self._listener = Listener()
        self._host: IAddress | None = None
        self._last_number = 0
        self._waiting_for_end: list[Deferred[None]] = []
        self.observer: ReplyObserver = Publisher(observers)
        self.protocols: set[ReplyProtocol] = set()
        self.refusing: set[RefusalProtocol] = set()

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        return self.build(addr, self._listener)

    def build(self, addr: IAddress | None, listener: Listener) -> Protocol | None:
        """
        Return the protocol for a client.

        @param addr: the client's address; C{None} skips the access list and the limits.
        @param listener: the listener that it has connected to.
        @return: C{None}, which disconnects the client, if it is refused without an error line.
        """
        if addr:
            reason = self._refusal(addr) if self._permits(addr) else RefusalReason.DENIED
            if reason:
                return self._refuse(addr, listener, reason)
        return ReplyProtocol(self, listener)

    def opened(self, protocol: ReplyProtocol) -> None:
        """Add a connection. Called by its protocol."""
        self._last_number += 1
        transport = protocol.transport
        host: IAddress = transport.getHost()
        if self._host is not None and self._host == host:
            # Most clients connect to the same address: they share one object, to save memory.
            host = self._host
        self._host = host
        connection = Connection(self._last_number, transport.getPeer(), host, protocol.listener)
        if self.sampling_clock:
            connection.opened = connection.heard = self.sampling_clock.now()
        protocol.connection = connection
        if not self.protocols:
            self._idle_timer.start()
        self.protocols.add(protocol)
        self.observer.opened(connection)

    def closed(self, protocol: ReplyProtocol, reason: EndReason) -> None:
        """Remove a connection. Called by its protocol."""
        self.protocols.remove(protocol)
        self.observer.closed(protocol.connection, reason)
        if not self.protocols:
            self._idle_timer.stop()
            self._check_end()

    def drain(self) -> Deferred[None]:
        """
        Disconnect every client gracefully: answer what it has sent, flush and close.

        @return: fires when the last client has been disconnected.
        """
        for protocol in list(self.protocols):
            protocol.drain()
        if not (self.protocols or self.refusing):
            return succeed(None)
        ended: Deferred[None] = Deferred()
        self._waiting_for_end.append(ended)
        return ended

    def end_drain(self) -> None:
        """Disconnect every remaining client, without waiting for it to take its replies."""
        for protocol in list(self.protocols):
            protocol.end_drain()
        for refused in list(self.refusing):
            refused.disconnect()

    def abort(self) -> None:
        """Reset all connections."""
        for protocol in list(self.protocols):
            protocol.abort(EndReason.ABORTED)
        for refused in list(self.refusing):
            refused.abort()

    def _refuse(self, addr: IAddress, listener: Listener, reason: RefusalReason) -> RefusalProtocol | None:
        self.observer.refused(listener, addr, reason)
        if reason.error is None:
            return None
        self._last_number += 1
        linger = len(self.refusing) < REFUSALS_AT_ONCE
        protocol = RefusalProtocol(self.clock, reason.error, linger=linger, closed=self._refused)
        self.refusing.add(protocol)
        return protocol

    def _refused(self, protocol: RefusalProtocol) -> None:
        self.refusing.remove(protocol)
        self._check_end()

    def _check_end(self) -> None:
        if not (self.protocols or self.refusing):
            waiting, self._waiting_for_end = self._waiting_for_end, []
            for deferred in waiting:
                deferred.callback(None)

    def _close_idle(self) -> None:
        """Close the connections that have been idle for too long. Called every twentieth of the idle timeout."""
        now = self.clock.seconds()
        for protocol in list(self.protocols):
            limit = self._idle_timeout or (DEFAULT_IDLE_TIMEOUT if protocol.end_reason else inf)
            idle = protocol.idle_seconds(now)
            protocol.connection.idle = min(idle, limit)
            if idle >= limit:
                protocol.close_idle()
        if self.protocols:
            self._idle_timer.start()


@implementer(ILoggingContext)
class ListenerFactory(ServerFactory):
    """
    Makes the protocols of one listener's clients, by its L{ReplyFactory}.

    @ivar factory: the reply factory.
    """

    noisy = False

    def __init__(self, factory: ReplyFactory, listener: Listener) -> None:
        self.factory = factory
        self._listener = listener

    def logPrefix(self) -> str:
        """Return the name by which Twisted's ports log a factory: that of the reply factory."""
        return type(self.factory).__name__

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        return self.factory.build(addr, self._listener)
