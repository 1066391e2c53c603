"""A base class for transports on top of others: it forwards addresses, the socket, and socket options."""

from __future__ import annotations

from typing import cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import ISystemHandle
from zope.interface import implementer

from echoreply.net.transport import IDuplexTransport


@implementer(ISystemHandle)
class ForwardingTransport:
    """Forwards to the transport below."""

    __slots__ = ("__provides__", "_transport")

    _transport: IDuplexTransport

    @property
    def bufferSize(self) -> int:
        return self._transport.bufferSize

    @bufferSize.setter
    def bufferSize(self, size: int) -> None:
        self._transport.bufferSize = size

    def getPeer(self) -> IPv4Address | IPv6Address:
        return self._transport.getPeer()

    def getHost(self) -> IPv4Address | IPv6Address:
        return self._transport.getHost()

    def getHandle(self) -> object:
        """Return the socket, whose queues hold encrypted bytes; C{None} if the transport below has none."""
        transport = self._transport
        return cast(ISystemHandle, transport).getHandle() if ISystemHandle.providedBy(transport) else None

    def getTcpNoDelay(self) -> bool:
        return self._transport.getTcpNoDelay()

    def setTcpNoDelay(self, enabled: bool) -> None:
        self._transport.setTcpNoDelay(enabled)

    def getTcpKeepAlive(self) -> bool:
        return self._transport.getTcpKeepAlive()

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self._transport.setTcpKeepAlive(enabled)
