"""A name resolver in memory, and test cases whose options lead to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from echoreply.client.command import parse_arguments
from echoreply.connect.target import ConnectTarget, IClientReactor, connect_target


@implementer(IHostnameResolver)
class Resolver:
    """Resolves the name C{both} to addresses of both families, and records its calls."""

    ADDRESSES = (IPv6Address("UDP", "::1", 9, 0, 0), IPv4Address("UDP", "127.0.0.1", 9))

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        self.asked.append((hostName, transportSemantics))
        resolution = cast(IHostResolution, None)
        resolutionReceiver.resolutionBegan(resolution)
        for address in self.ADDRESSES if hostName == "both" else ():
            if addressTypes is None or type(address) in addressTypes:
                resolutionReceiver.addressResolved(address)
        resolutionReceiver.resolutionComplete()
        return resolution


class Reactor(MemoryReactorClock):
    """A reactor in memory whose resolver can be replaced, as a real one's can."""

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        before: IHostnameResolver = self.nameResolver
        self.nameResolver = resolver
        return before


class DestinationTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Reactor()
        self.resolver = Resolver()
        self.reactor.installNameResolver(self.resolver)

    def connect_target(self, *arguments: str) -> ConnectTarget:
        return connect_target(cast(IClientReactor, self.reactor), parse_arguments(arguments))
