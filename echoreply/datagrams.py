"""
Replies to datagrams, without becoming a weapon.

The sender of a datagram may be anybody who claims to be somebody else. So two servers must not be set talking to each
other (CERT advisory CA-1996-01), nobody may be sent much by others' doing (RFC 4732), and what is kept of peers is
bounded.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet import udp
from twisted.internet.interfaces import IReactorFDSet, IReactorTime
from twisted.internet.protocol import DatagramProtocol

from echoreply.address import plain_address, unmapped
from echoreply.circumstances import Address, Circumstances
from echoreply.conversation import Rules
from echoreply.framing import too_long
from echoreply.observer import IReplyObserver, Listener
from echoreply.reasons import DropReason
from echoreply.stopwatch import Stopwatch

ANSWERING_PORTS = frozenset({7, 13, 17, 19})
"""Those of services that answer whatever they get: echo, daytime, quote of the day, chargen; RFC 862, 867, 865, 864."""

MOST_HOSTS = 65536
"""Hosts of which it is known, within a second, how often they were answered; about 8 MB of them."""

AT_ONCE = 256
"""Datagrams that are answered in a turn of the reactor, before others get theirs."""

AT_STOP = 16384
"""Datagrams that are answered when the port is about to close, at most: new ones may come as fast as old ones go."""

_LONGEST = 65535

# How to ask to which address each datagram was sent: RFC 3542, 6.1, and IP_PKTINFO of ip(7), for which Python has no
# name. Other systems take no such address for an IPv4 peer of an IPv6 socket.
_PACKET_INFO: dict[int, tuple[int, int]] = {}
if sys.platform == "linux":
    _PACKET_INFO[socket.AF_INET6] = socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO
    _PACKET_INFO[socket.AF_INET] = socket.IPPROTO_IP, 8

_Control = tuple[int, int, bytes]


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
    @param stopwatch: with one, the observer is told how long datagrams take.
    """

    noisy = False
    transport: DatagramPort

    def __init__(
        self,
        clock: IReactorTime,
        rules: Callable[[], Rules],
        observer: IReplyObserver,
        listener: Listener,
        *,
        rate: int,
        permits: Callable[[str], bool] = lambda _host: True,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self._rules = rules
        self._observer = observer
        self._listener = listener
        self._stopwatch = stopwatch
        self._rate = HostRate(clock, rate)
        self._permits = permits
        self._answering_ports = ANSWERING_PORTS

    def startProtocol(self) -> None:
        """Take note of the port: what comes from the same one may be a server's like this one."""
        self._host = plain_address(self.transport.getHost())  # type: ignore[no-untyped-call]
        self._answering_ports = ANSWERING_PORTS | {self._host.port}

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:  # noqa: ANN401  # as the socket module has it
        """Answer a datagram, unless there is a reason not to."""
        since = self._stopwatch.look() if self._stopwatch and self._stopwatch.left else 0.0
        host, port = unmapped(addr[0]), addr[1]
        rules = self._rules()
        reason = self._objection(rules, datagram, host, port)
        if reason is None:
            replies = rules.answer_datagram(datagram, partial(self._circumstances, Address(host, port)))
            try:
                for reply in replies:
                    self.transport.write(reply, addr)
            except OSError as error:
                reason = _why_unsent(error)
            else:
                sent = sum(map(len, replies))
                if since and self._stopwatch:
                    self._observer.timed(self._listener, 1, self._stopwatch.now() - since)
                self._observer.answered_datagram(self._listener, (host, port), datagram, sent)
                return
        self._observer.dropped(self._listener, (host, port), datagram, reason)

    def _circumstances(self, peer: Address) -> Circumstances:
        asked = self.transport.asked
        host = Address(unmapped(asked), self._host.port) if asked else self._host
        return Circumstances(0, peer, host, "udp")

    def _objection(self, rules: Rules, datagram: bytes, host: str, port: int) -> DropReason | None:
        if not self._permits(host):
            return DropReason.DENIED
        if port in self._answering_ports:
            return DropReason.ANSWERING_PORT
        if rules.mark and datagram.startswith(rules.mark):
            return DropReason.PREFIX
        if datagram in rules.farewells:
            return DropReason.FAREWELL
        if too_long(datagram.removesuffix(b"\n"), rules.max_message):
            return DropReason.TOO_LONG
        return self._rate.take(host)


def _why_unsent(error: OSError) -> DropReason:
    if error.errno == errno.EMSGSIZE:
        # What a datagram can be depends on the address family and the system: 65,507 bytes for IPv4, RFC 768 and 791.
        return DropReason.REPLY_TOO_LONG
    if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS):
        return DropReason.NO_ROOM
    return DropReason.UNSENDABLE


class DatagramPort(udp.Port):
    """
    A UDP port for a protocol that replies to a datagram while it receives it, or not at all.

    Unlike Twisted's, it replies from the address that was asked (on Linux; RFC 1122, 4.1.3.5), knows the link of an
    IPv6 link-local peer (RFC 4007, 6), reads no more at once than so many datagrams, be they empty, and goes on
    whatever the system says to a read.

    @param bound: a socket that does not block. It is the port's from now on.
    """

    def __init__(self, reactor: IReactorFDSet, protocol: DatagramProtocol, bound: socket.socket) -> None:
        host = bound.getsockname()[0]
        super().__init__(None, protocol, interface=host, reactor=reactor)  # type: ignore[no-untyped-call]
        # As one that is adopted.
        self._preexistingSocket = bound  # type: ignore[assignment]
        self._asked: list[_Control] = []
        self._control_size = 0
        if host in ("::", "0.0.0.0") and bound.family in _PACKET_INFO:
            bound.setsockopt(*_PACKET_INFO[bound.family], 1)
            self._control_size = socket.CMSG_SPACE(20)

    def doRead(self) -> None:
        """Have datagrams answered."""
        self.answer_waiting(AT_ONCE)

    @property
    def asked(self) -> str:
        """The IP address that the datagram was sent to which is being received; empty if that is not known."""
        for level, _, info in self._asked:
            if level == socket.IPPROTO_IPV6:
                return socket.inet_ntop(socket.AF_INET6, info[:16])
            return socket.inet_ntop(socket.AF_INET, info[4:8])
        return ""

    def answer_waiting(self, at_most: int) -> None:
        """Have the datagrams answered that have arrived."""
        for _ in range(at_most):
            try:
                if self._control_size:
                    datagram, control, _, peer = self.socket.recvmsg(_LONGEST, self._control_size)
                    self._asked = [_as_source(*item) for item in control]
                else:
                    datagram, peer = self.socket.recvfrom(_LONGEST)
            except OSError:
                # There are no more or, on some systems, one of our own could not be delivered, of which this tells.
                return
            self.protocol.datagramReceived(datagram, peer)

    def write(self, datagram: bytes, addr: Any = None) -> None:  # noqa: ANN401
        """
        Send a reply to the datagram that is being received.

        @raise OSError: the system does not.
        """
        if self._asked:
            self.socket.sendmsg([datagram], self._asked, 0, addr)
        else:
            self.socket.sendto(datagram, addr)


def _as_source(level: int, kind: int, info: bytes) -> _Control:
    """
    Make of where a datagram was sent, where its reply is sent from.

    The interface is left to routing: replies may go another way. An address that is not ours alone, such as a
    broadcast one, is none to reply from, and the system refuses to, so a datagram can't be answered by many.
    """
    if level == socket.IPPROTO_IPV6:
        return level, kind, info[:16] + bytes(4)
    return level, kind, bytes(4) + info[8:12] * 2
