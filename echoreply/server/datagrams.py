"""
Replies to datagrams, without becoming a weapon.

The sender of a datagram may be anybody who claims to be somebody else. So two servers must not be set talking to each
other (CERT advisory CA-1996-01), nobody may be sent much by others' doing (RFC 4732), and what is kept of peers is
bounded.
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
from echoreply.core.framing import Block
from echoreply.core.reasons import DropReason
from echoreply.net.addresses import plain_address, unmapped
from echoreply.net.listener import Listener
from echoreply.net.udp_port import DatagramPort
from echoreply.observe.observer import ReplyObserver
from echoreply.observe.sampling import SamplingClock

ANSWERING_PORTS = frozenset({7, 13, 17, 19})
"""Those of services that answer whatever they get: echo, daytime, quote of the day, chargen; RFC 862, 867, 865, 864."""

MOST_HOSTS = 65536
"""Hosts of which it is known, within a second, how often they were answered; about 8 MB of them."""


AT_STOP = 16384
"""Datagrams that are answered when the port is about to close, at most: new ones may come as fast as old ones go."""


class HostRate:
    """
    So many times a second and host.

    All are forgotten each second: there are more addresses than memory, and a flood may come from all of them.

    @param clock: where time comes from, such as the reactor.
    """

    def __init__(self, clock: IReactorTime, per_second: int) -> None:
        self._clock = clock
        self._per_second = per_second
        self._began = 0.0
        self._times: dict[str, int] = {}

    def take(self, host: str) -> DropReason | None:
        """Take one of a host's times, or tell why there is none."""
        now = self._clock.seconds()
        # Clocks are set back, too.
        if not self._began <= now < self._began + 1:
            self._began = now
            self._times.clear()
        times = self._times.get(host, 0)
        if times >= self._per_second:
            return DropReason.RATE
        if not times and len(self._times) >= MOST_HOSTS:
            return DropReason.TOO_MANY_HOSTS
        self._times[host] = times + 1
        return None


class ReplyDatagrams(DatagramProtocol):
    """
    Answers datagrams, each of which is a message (RFC 862's UDP service, with a prefix).

    @param clock: where time comes from, such as the reactor.
    @param rules: gives the rules by which datagrams are answered now. Framing is the datagrams' own.
    @param observer: is told of each datagram, whether it was answered or not.
    @param listener: where they come in.
    @param rate: how many datagrams a second are answered, of one IP address.
    @param permits: is asked whether an IP address is answered at all.
    @param sampling_clock: with one, the observer is told how long datagrams take.
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
        """Take note of the port: what comes from the same one may be a server's like this one."""
        self._host = plain_address(self.transport.getHost())  # type: ignore[no-untyped-call]
        self._answering_ports = ANSWERING_PORTS | {self._host.port}

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:  # noqa: ANN401  # as the socket module has it
        """Answer a datagram, unless there is a reason not to."""
        since = self._sampling_clock.sample() if self._sampling_clock and self._sampling_clock.remaining else 0.0
        host, port = unmapped(addr[0]), addr[1]
        rules = self._rules()
        reason = self._objection(rules, datagram, host, port)
        if reason is None:
            replies = rules.answer_datagram(datagram, partial(self._connection_info, Address(host, port)))
            try:
                for reply in replies:
                    self.transport.write(reply, addr)
            except OSError as error:
                reason = _why_unsent(error)
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

    def _objection(self, rules: Rules, datagram: bytes, host: str, port: int) -> DropReason | None:
        if not self._permits(host):
            return DropReason.DENIED
        if port in self._answering_ports:
            return DropReason.ANSWERING_PORT
        if rules.common_prefix and datagram.startswith(rules.common_prefix):
            return DropReason.PREFIX
        if datagram in rules.close_words:
            return DropReason.FAREWELL
        if Block.too_long(datagram, rules.max_message):
            return DropReason.TOO_LONG
        return self._rate.take(host)


def _why_unsent(error: OSError) -> DropReason:
    if error.errno == errno.EMSGSIZE:
        # What a datagram can be depends on the address family and the system: 65,507 bytes for IPv4, RFC 768 and 791.
        return DropReason.REPLY_TOO_LONG
    if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS):
        return DropReason.NO_ROOM
    return DropReason.UNSENDABLE
