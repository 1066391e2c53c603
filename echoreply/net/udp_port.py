"""A UDP port for a protocol that answers each datagram while it receives it."""

from __future__ import annotations

import socket
import sys
from typing import Any

from twisted.internet import udp
from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.protocol import DatagramProtocol

from echoreply.native.private_names import use_bound_socket

DATAGRAMS_PER_TURN = 256
"""Maximum datagrams that are received in one turn of the reactor, so that other sockets get their turn."""

_MAX_DATAGRAM = 65535

# The socket options that report the destination address of each datagram: RFC 3542, 6.1, and IP_PKTINFO of ip(7), for
# which Python has no name. Systems other than Linux accept no such address for an IPv4 peer of an IPv6 socket.
_PACKET_INFO: dict[int, tuple[int, int]] = {}
if sys.platform == "linux":
    _PACKET_INFO[socket.AF_INET6] = socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO
    _PACKET_INFO[socket.AF_INET] = socket.IPPROTO_IP, 8

_Control = tuple[int, int, bytes]


class DatagramPort(udp.Port):
    """
    A UDP port for a protocol that replies to a datagram within C{datagramReceived}, or not at all.

    Unlike Twisted's port, it replies from the address that the datagram was sent to (on Linux; RFC 1122, 4.1.3.5),
    keeps the zone of an IPv6 link-local peer (RFC 4007, 6), limits the datagrams of a turn, also empty ones, and
    stays open after any error of a read.

    @param bound: a bound, non-blocking socket. The port owns it from now on.
    """

    def __init__(self, reactor: IReactorFDSet, protocol: DatagramProtocol, bound: socket.socket) -> None:
        host = bound.getsockname()[0]
        super().__init__(None, protocol, interface=host, reactor=reactor)  # type: ignore[no-untyped-call]
        # Twisted sets this for a socket that it adopts.
        use_bound_socket(self, bound)
        self._asked: list[_Control] = []
        self._control_size = 0
        if host in ("::", "0.0.0.0") and bound.family in _PACKET_INFO:
            bound.setsockopt(*_PACKET_INFO[bound.family], 1)
            self._control_size = socket.CMSG_SPACE(20)

    def doRead(self) -> None:
        """Answer the datagrams of one turn of the reactor."""
        self.answer_waiting(DATAGRAMS_PER_TURN)

    @property
    def asked(self) -> str:
        """The IP address that the current datagram was sent to; empty if the system does not report it."""
        for level, _, info in self._asked:
            if level == socket.IPPROTO_IPV6:
                return socket.inet_ntop(socket.AF_INET6, info[:16])
            return socket.inet_ntop(socket.AF_INET, info[4:8])
        return ""

    def answer_waiting(self, at_most: int) -> None:
        """Answer the datagrams that have arrived, at most C{at_most}."""
        for _ in range(at_most):
            try:
                if self._control_size:
                    datagram, control, _, peer = self.socket.recvmsg(_MAX_DATAGRAM, self._control_size)
                    self._asked = [_as_source(*item) for item in control]
                else:
                    datagram, peer = self.socket.recvfrom(_MAX_DATAGRAM)
            except OSError:
                # There is no other datagram; or, on some systems, an earlier reply could not be delivered.
                return
            self.protocol.datagramReceived(datagram, peer)

    def write(self, datagram: bytes, addr: Any = None) -> None:  # noqa: ANN401
        """
        Send a reply to the current datagram.

        @raise OSError: the system can't send it.
        """
        if self._asked:
            self.socket.sendmsg([datagram], self._asked, 0, addr)
        else:
            self.socket.sendto(datagram, addr)


def _as_source(level: int, kind: int, info: bytes) -> _Control:
    """
    Turn the destination address of a datagram into the source address of its reply.

    The interface is left to routing, since replies may take another one. The system refuses to send from a broadcast or
    multicast address, so that one datagram is never answered by many servers.
    """
    if level == socket.IPPROTO_IPV6:
        return level, kind, info[:16] + bytes(4)
    return level, kind, bytes(4) + info[8:12] * 2
