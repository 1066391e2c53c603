"""Taken out of echoreply.server.datagrams."""

from __future__ import annotations

import socket
import sys
from typing import Any

from twisted.internet import udp
from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.protocol import DatagramProtocol

from echoreply.native.private_names import use_bound_socket

AT_ONCE = 256
"""Datagrams that are answered in a turn of the reactor, before others get theirs."""


_LONGEST = 65535


# How to ask to which address each datagram was sent: RFC 3542, 6.1, and IP_PKTINFO of ip(7), for which Python has no
# name. Other systems take no such address for an IPv4 peer of an IPv6 socket.
_PACKET_INFO: dict[int, tuple[int, int]] = {}
if sys.platform == "linux":
    _PACKET_INFO[socket.AF_INET6] = socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO
    _PACKET_INFO[socket.AF_INET] = socket.IPPROTO_IP, 8


_Control = tuple[int, int, bytes]


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
        use_bound_socket(self, bound)
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
