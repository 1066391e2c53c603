"""Messages about connections that fail or are lost."""

import errno

from twisted.internet import error
from twisted.trial.unittest import SynchronousTestCase

from echoreply.connect.failures import why_lost, why_not_connected


class WhyNotConnectedTests(SynchronousTestCase):
    def test_every_failure_has_its_message(self) -> None:
        for failure, words in (
            (error.DNSLookupError(), "no such host"),
            (error.ConnectionRefusedError(), "connection refused"),
            (error.TimeoutError(), "no answer within 10 s"),
            (error.NoRouteError(errno.EHOSTUNREACH), "no route to host"),
            (
                ValueError("invalid hostname: x"),
                "not a valid host name",
            ),
            (error.ConnectError(string="odd"), "An error occurred while connecting: odd."),
        ):
            self.assertEqual(why_not_connected(failure, 10.0), words)


class WhyLostTests(SynchronousTestCase):
    def test_every_loss_has_its_message(self) -> None:
        for reason, words in (
            (error.ConnectionDone(), "the server closed the connection"),
            (None, "the connection was reset"),
            (error.ConnectionLost(), "the connection was reset"),
            (error.ConnectionLost("closed without a close_notify"), "TLS failed: closed without a close_notify"),
            (ValueError("certificate\n verify failed"), "the connection was lost: certificate verify failed"),
            (error.ConnectionRefusedError(), "cannot send to 192.0.2.1:9: connection refused"),
            (error.NoRouteError(errno.EHOSTUNREACH), "cannot send to 192.0.2.1:9: no route to host"),
        ):
            self.assertEqual(why_lost(reason, "192.0.2.1:9"), words)
