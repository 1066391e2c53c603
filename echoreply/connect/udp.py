"""A client endpoint for UDP: it resolves a host name and connects a protocol through a L{DatagramTransport}."""

from __future__ import annotations

from attrs import frozen
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import DNSLookupError, NoProtocol
from twisted.internet.interfaces import (
    IAddress,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IReactorFDSet,
    IReactorPluggableNameResolver,
    IReactorTime,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from zope.interface import implementer

from echoreply.connect.datagram_transport import DatagramTransport
from echoreply.core.input_lines import Eol


class IDatagramReactor(IReactorFDSet, IReactorPluggableNameResolver, IReactorTime):
    """The interfaces of a reactor that L{DatagramClientEndpoint} needs."""


@implementer(IStreamClientEndpoint)
@frozen
class DatagramClientEndpoint:
    """
    An endpoint that connects a protocol to the first address of a host, over UDP.

    @ivar eol: the line ending with which each line of the protocol is sent.
    """

    _reactor: IDatagramReactor
    _host: str
    _port: int
    _eol: Eol

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Resolve the host, and connect a protocol.

        @return: fires with the protocol; fails with L{DNSLookupError}, L{ConnectError
            <twisted.internet.error.ConnectError>}, or, if the host is not a valid name, L{ValueError}.
        """
        try:
            # The resolver would fail in its thread, which does not report the error.
            self._host.encode("idna")
        except UnicodeError as error:
            return fail(ValueError(f"invalid hostname: {error}"))

        def connect(addresses: list[IPv4Address | IPv6Address]) -> IProtocol:
            if not addresses:
                raise DNSLookupError(self._host)
            protocol = protocolFactory.buildProtocol(addresses[0])
            if protocol is None:
                raise NoProtocol
            DatagramTransport(self._reactor, addresses[0], self._eol).begin(protocol)
            return protocol

        receiver = Addresses()
        self._reactor.nameResolver.resolveHostName(receiver, self._host, self._port, transportSemantics="UDP")
        return receiver.complete.addCallback(connect)


@implementer(IResolutionReceiver)
class Addresses:
    """
    Collects the addresses of a host.

    @ivar complete: fires with the addresses, in the order in which they should be tried.
    """

    def __init__(self) -> None:
        self._addresses: list[IPv4Address | IPv6Address] = []
        self.complete: Deferred[list[IPv4Address | IPv6Address]] = Deferred()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        pass  # The resolution object has nothing to offer: it can't be cancelled.

    def addressResolved(self, address: IAddress) -> None:
        assert isinstance(address, IPv4Address | IPv6Address)
        self._addresses.append(address)

    def resolutionComplete(self) -> None:
        self.complete.callback(self._addresses)
