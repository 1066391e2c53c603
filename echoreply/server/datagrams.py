"""
Replies to datagrams, limited so that they can't be abused for reflection and amplification.

The source address of a datagram can be forged. So replies must not loop between two servers (CERT advisory CA-1996-01),
the replies to one host are limited (RFC 4732), and so is the memory for hosts.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol

from echoreply.core.connection_info import Address, ConnectionInfo
from echoreply.core.conversation import Rules
from echoreply.core.framing import too_long
from echoreply.core.reasons import DropReason
from echoreply.net.addresses import plain_address, unmapped
from echoreply.net.listener import Listener
from echoreply.net.udp_port import DatagramPort
from echoreply.observe.observer import ReplyObserver
from echoreply.observe.sampling import SamplingClock

ANSWERING_PORTS = frozenset({7, 13, 17, 19})
"""Ports of services that answer any datagram: echo, daytime, quote of the day, chargen; RFC 862, 867, 865, 864."""

MAX_HOSTS = 65536
"""Maximum hosts whose replies are counted within a second: about 8 MB."""

DATAGRAMS_AT_STOP = 16384
"""Maximum datagrams that are answered before the port closes: new ones may arrive as fast as they are answered."""


class HostRate:
    """
    A rate limit for each host.

    All counts are reset every second, to bound memory: a flood may come from any number of addresses.

    @param clock: the source of time, such as the reactor.
    @param per_second: maximum replies to a host in a second.
    """

    def __init__(self, clock: IReactorTime, per_second: int) -> None:
        self._clock = clock
        self._per_second = per_second
        self._began = 0.0
        self._times: dict[str, int] = {}

    def take(self, host: str) -> DropReason | None:
        """Count a reply to a host. Return the reason if it is over the limit instead, else C{None}."""
        now = self._clock.seconds()
        # The clock may have been set back.
        if not self._began <= now < self._began + 1:
            self._began = now
            self._times.clear()
        times = self._times.get(host, 0)
        if times >= self._per_second:
            return DropReason.RATE
        if not times and len(self._times) >= MAX_HOSTS:
            return DropReason.TOO_MANY_HOSTS
        self._times[host] = times + 1
        return None


class ReplyDatagrams(DatagramProtocol):
    """
    Answers datagrams, each of which is a message (RFC 862's UDP service, with a prefix).

    @param clock: the source of time, such as the reactor.
    @param rules: returns the current rules. Their framing does not apply: a datagram is a message.
    @param observer: notified of each datagram, answered or dropped.
    @param listener: the listener that receives the datagrams.
    @param rate: maximum datagrams of one IP address that are answered in a second.
    @param permits: returns whether an IP address is answered at all.
    @param sampling_clock: if given, it times datagrams for the observer.
    """

    noisy = False
    transport: DatagramPort

    def __init__(
        self,
        clock: IReactorTime,
        rules: Callable[[], Rules],
        observer: ReplyObserver,
        listener: Listener,
        *,
        rate: int,
        permits: Callable[[str], bool] = lambda _host: True,
        sampling_clock: SamplingClock | None = None,
    ) -> None:
        self._rules = rules
        self._observer = observer
        self._listener = listener
        self._sampling_clock = sampling_clock
        self._rate = HostRate(clock, rate)
        self._permits = permits
        self._answering_ports = ANSWERING_PORTS

    def startProtocol(self) -> None:
        """Add the server's own port to those that answer: a datagram from it may come from a server like this one."""
        self._host = plain_address(self.transport.getHost())  # type: ignore[no-untyped-call]
        self._answering_ports = ANSWERING_PORTS | {self._host.port}

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:  # noqa: ANN401  # as the socket module has it
        """Answer a datagram, or drop it and notify the observer of the reason."""
        since = self._sampling_clock.sample() if self._sampling_clock and self._sampling_clock.remaining else 0.0
        host, port = unmapped(addr[0]), addr[1]
        rules = self._rules()
        reason = self._drop_reason(rules, datagram, host, port)
        if reason is None:
            replies = rules.answer_datagram(datagram, partial(self._connection_info, Address(host, port)))
            try:
                for reply in replies:
                    self.transport.write(reply, addr)
            except OSError as error:
                reason = _send_error_reason(error)
            else:
                sent = sum(map(len, replies))
                if since and self._sampling_clock:
                    self._observer.timed(self._listener, 1, self._sampling_clock.now() - since)
                self._observer.answered_datagram(self._listener, (host, port), datagram, sent)
                return
        self._observer.dropped(self._listener, (host, port), datagram, reason)

    def _connection_info(self, peer: Address) -> ConnectionInfo:
        asked = self.transport.asked
        host = Address(unmapped(asked), self._host.port) if asked else self._host
        return ConnectionInfo(0, peer, host, "udp")

    def _drop_reason(self, rules: Rules, datagram: bytes, host: str, port: int) -> DropReason | None:
        if not self._permits(host):
            return DropReason.DENIED
        if port in self._answering_ports:
            return DropReason.ANSWERING_PORT
        if rules.common_prefix and datagram.startswith(rules.common_prefix):
            return DropReason.PREFIX
        if datagram in rules.close_words:
            return DropReason.CLOSE_WORD
        if too_long(datagram.removesuffix(b"\n"), rules.max_message):
            return DropReason.TOO_LONG
        return self._rate.take(host)


def _send_error_reason(error: OSError) -> DropReason:
    if error.errno == errno.EMSGSIZE:
        # The longest datagram depends on the address family and the system: 65,507 bytes for IPv4, RFC 768 and 791.
        return DropReason.REPLY_TOO_LONG
    if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS):
        return DropReason.NO_ROOM
    return DropReason.UNSENDABLE
