"""Bindings, and the errors of listening."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from echoreply.net.binding import Binding, SocketOwner, owner_of, report_listen_errors, result_now
from echoreply.net.errors import CannotListen

ADDRESS = IPv4Address("TCP", "127.0.0.1", 8088)


@implementer(IListeningPort)
class Port:
    def startListening(self) -> None:
        pass

    def stopListening(self) -> None:
        pass

    def getHost(self) -> IPv4Address:
        return ADDRESS


class BindingTests(SynchronousTestCase):
    def test_listening_sets_the_address_of_the_listener(self) -> None:
        port = Port()
        binding = Binding("*:8088", lambda: succeed(port))
        self.assertIs(binding.listen(), port)
        self.assertEqual(binding.listener.host, ADDRESS)

    def test_a_service_manager_owns_the_sockets_that_it_passes_on(self) -> None:
        self.assertIs(owner_of("systemd:domain=UNIX:index=0"), SocketOwner.SERVICE_MANAGER)
        self.assertIs(owner_of("unix:/run/systemd:x"), SocketOwner.PROCESS)

    def test_an_endpoint_that_returns_no_port_is_an_error(self) -> None:
        waiting: Deferred[Any] = Deferred()
        for deferred in (waiting, succeed(None)):
            binding = Binding("strange:", partial(maybeDeferred, lambda deferred: deferred, deferred))
            with self.assertRaises(CannotListen) as caught:
                binding.listen()
            self.assertEqual(
                str(caught.exception),
                "cannot listen on strange:: this kind of endpoint returns no port, or not at once",
            )

    def test_accepting_finishes_immediately_by_default(self) -> None:
        self.successResultOf(Binding("*:8088", lambda: succeed(Port())).finish_accepting())


class ErrorTests(SynchronousTestCase):
    def test_errors_name_the_address_and_the_reason(self) -> None:
        for error, reason in (
            (CannotListenError("", 8088, OSError(98, "Address already in use")), "Address already in use"),
            (OSError("AF_UNIX path too long"), "AF_UNIX path too long"),
            (ValueError("unix takes the path of a socket"), "unix takes the path of a socket"),
        ):
            with self.assertRaises(CannotListen) as caught, report_listen_errors("x"):
                raise error
            self.assertEqual(str(caught.exception), f"cannot listen on x: {reason}")

    def test_an_unexpected_exception_is_not_reported_as_an_error_of_listening(self) -> None:
        with self.assertRaises(ZeroDivisionError), report_listen_errors("x"):
            raise ZeroDivisionError

    def test_the_error_of_a_deferred_is_raised(self) -> None:
        self.assertEqual(result_now(succeed(1)), 1)
        with self.assertRaises(ZeroDivisionError):
            result_now(fail(ZeroDivisionError()))
