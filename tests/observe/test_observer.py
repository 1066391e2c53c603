"""The interface of observers."""

from inspect import isfunction, signature

from twisted.internet.address import IPv4Address
from twisted.trial.unittest import SynchronousTestCase

from echoreply.observe.observer import Connection, ReplyObserver
from tests.support.memory_observer import verify_observer

HOST = IPv4Address("TCP", "127.0.0.1", 8088)


class ReplyObserverTests(SynchronousTestCase):
    def test_every_method_takes_an_event_and_does_nothing(self) -> None:
        observer = ReplyObserver()
        verify_observer(observer)
        methods = {name: method for name, method in vars(ReplyObserver).items() if isfunction(method)}
        self.assertGreater(len(methods), 10)
        for name, method in methods.items():
            arguments = [None] * (len(signature(method).parameters) - 1)
            self.assertIsNone(getattr(observer, name)(*arguments), name)


class ConnectionTests(SynchronousTestCase):
    def test_a_connection_is_equal_to_itself_only_and_can_be_a_key(self) -> None:
        first, second = (Connection(1, HOST, HOST) for _ in range(2))
        self.assertEqual({first: "first", second: "second"}[first], "first")
        self.assertIsNot(first.listener, second.listener)
