"""
Twisted's own tests of its reactors' TCP, on L{NativeReactor <echoreply.native.reactor.NativeReactor>}.

Most of them test the transport of a client. Three more suites swap the two ends, so that they test the transport of the
accepted connection.
"""

# ruff: noqa: ANN401  # Twisted's tests have no types.
from __future__ import annotations

import unittest
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.test import test_core, test_socket, test_tcp, test_threads, test_time
from twisted.internet.test.connectionmixins import StreamClientTestsMixin, runProtocolsWithReactor
from twisted.internet.test.reactormixins import ReactorBuilder

from tests.native.loops import CONNECTING, REACTORS


class AcceptedTransportTestsBuilder(test_tcp.WriteSequenceTestsMixin, ReactorBuilder):
    """Twisted's tests of writing, on the transport of the accepted connection."""

    def getConnectedClientAndServer(self, reactor: Any, interface: str, family: int) -> Deferred[Any]:
        builder: Any = test_tcp.TCPTransportTestsBuilder
        connected = builder.getConnectedClientAndServer(self, reactor, interface, family)
        swapped: Deferred[Any] = connected.addCallback(lambda ends: (ends[1], ends[0], ends[2]))
        return swapped


class AcceptedStreamTestsBuilder(ReactorBuilder, StreamClientTestsMixin):
    """Twisted's tests of a client's producers, on the transport of the accepted connection."""

    requiredInterfaces = (IReactorTCP,)

    def listen(self, reactor: Any, factory: Any) -> None:
        factory.clientConnectionLost = factory.clientConnectionFailed = lambda *_: None
        factory.startedConnecting = lambda _: None
        self.other = factory

    def connect(self, reactor: Any, factory: Any) -> None:
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        reactor.connectTCP("127.0.0.1", port.getHost().port, self.other)


class AcceptedAbortTestsBuilder(ReactorBuilder, test_tcp.AbortConnectionMixin):
    """Twisted's tests of C{abortConnection}, on the transport of the accepted connection."""

    requiredInterfaces = (IReactorTCP,)
    endpoints = test_tcp.TCPCreator()

    def runAbortTest(self, aborting: Any, other: Any, clientConnectionLostReason: Any = None) -> None:
        ends = aborting(), other()
        for end, peer in (ends, ends[::-1]):
            end.otherProtocol = peer
        reactor = runProtocolsWithReactor(self, *ends, self.endpoints)
        case: Any = self
        case.assertEqual(reactor.removeAll(), [])
        case.assertEqual(reactor.getDelayedCalls(), [])
        reasons = (ConnectionAborted, ConnectionLost, clientConnectionLostReason or ConnectionAborted)
        case.assertIsInstance(ends[0].disconnectReason.value, reasons)
        case.assertIsInstance(ends[1].disconnectReason.value, (ConnectionLost, ConnectionDone))


DIFFERENT = {
    "test_logPrefix": "looks for the prefix in the context of the log, which a native transport does not set",
    "test_resumeProducing": "looks for the transport among the reactor's readers",
    "test_resumeProducingWhileDisconnected": "calls a private method to lose the connection",
    "test_serverAddressTCP4": "reads logstr, which is no interface's",
    "test_serverAddressTCP6": "reads logstr, which is no interface's",
    "test_writeSequenceWithUnicodeRaisesException": "wants the TypeError to be in Twisted's words",
    "test_interface": "is about connectors",
    "test_clientConnectionFailedStopsReactor": "is about connectors",
}
"""Tests that native transports don't pass, and why. Those about connectors run where the client is Twisted's own."""
DIFFERENT_WHEN_CONNECTING = {
    **{name: reason for name, reason in DIFFERENT.items() if "connectors" not in reason},
    "test_addresses": "reads addr, which is no interface's",
    "test_nonStreamingProducer": "a pull producer may be asked for more once more than a reactor's transport does",
}
"""Tests that native transports of outgoing connections don't pass, and why."""


def add_cases(builder: Any, reactors: list[str], *, different: dict[str, str], name: str = "") -> None:
    """Add to this module the test cases of one of Twisted's builders, for each of the reactors."""
    attributes = {"_reactors": reactors, "__module__": __name__, "timeout": 20}
    native: Any = type(name or builder.__name__, (builder,), attributes)
    for case_name, case in native.makeTestCaseClasses().items():
        case.__module__ = __name__
        for test, reason in different.items():
            if hasattr(case, test) and not ("connectors" in reason and "Accepted" not in case_name):
                setattr(case, test, unittest.skip(reason)(getattr(case, test)))
        globals()[case_name] = case


for _builder in (
    AcceptedTransportTestsBuilder,
    AcceptedStreamTestsBuilder,
    AcceptedAbortTestsBuilder,
    test_core.SystemEventTestsBuilder,
    test_socket.IReactorSocketVerificationTestsBuilder,
    test_socket.AdoptStreamPortErrorsTestsBuilder,
    test_tcp.AbortConnectionTests,
    test_tcp.TCP4ClientTestsBuilder,
    test_tcp.TCP6ClientTestsBuilder,
    test_tcp.TCPConnectionTestsBuilder,
    test_tcp.TCPFDPortTestsBuilder,
    test_tcp.TCPPortTestsBuilder,
    test_tcp.TCPTransportTestsBuilder,
    test_tcp.TestBindAddressBuilder,
    test_threads.ThreadTestsBuilder,
    test_time.TimeTestsBuilder,
):
    add_cases(_builder, REACTORS, different=DIFFERENT)

for _builder in (
    test_tcp.AbortConnectionTests,
    test_tcp.TCP4ClientTestsBuilder,
    test_tcp.TCP6ClientTestsBuilder,
    test_tcp.TCPConnectionTestsBuilder,
    test_tcp.TCPTransportTestsBuilder,
):
    add_cases(_builder, CONNECTING, different=DIFFERENT_WHEN_CONNECTING, name=f"Connecting{_builder.__name__}")
