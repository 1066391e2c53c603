"""A server with Twisted's C{LineOnlyReceiver}, as in its documentation, with the prefix."""

import sys

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorCore, IReactorTCP, ITCPTransport
from twisted.internet.protocol import ServerFactory
from twisted.protocols.basic import LineOnlyReceiver


class Lines(LineOnlyReceiver):
    delimiter = b"\n"

    def connectionMade(self) -> None:
        ITCPTransport(self.transport).setTcpNoDelay(True)

    def lineReceived(self, line: bytes) -> None:
        self.sendLine(b"server reply:" + line)  # type: ignore[no-untyped-call]


factory = ServerFactory()
factory.protocol = Lines
IReactorTCP(reactor).listenTCP(int(sys.argv[1]), factory, interface="127.0.0.1")
IReactorCore(reactor).run()
