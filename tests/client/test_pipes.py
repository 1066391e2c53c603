"""What is to be said when a run of the client is over, and how it leaves the descriptors that it was lent."""

import errno
import fcntl
import os
import pty

from twisted.internet import error
from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.bridge import SessionEnd
from echoreply.client.outcome import Outcome, outcome_of
from echoreply.client.pipes import borrowed
from echoreply.connect.failures import why_lost, why_not_connected


class WhyNotConnectedTests(SynchronousTestCase):
    def test_every_failure_has_its_words(self) -> None:
        for failure, words in (
            (error.DNSLookupError(), "no such host"),
            (error.ConnectionRefusedError(), "connection refused"),
            (error.TimeoutError(), "no answer within 10 s"),
            (error.NoRouteError(errno.EHOSTUNREACH), "no route to host"),
            (ValueError("invalid hostname: x"), "no host has such a name"),
            (error.ConnectError(string="odd"), "An error occurred while connecting: odd."),
        ):
            self.assertEqual(why_not_connected(failure, 10.0), words)


class WhyLostTests(SynchronousTestCase):
    def test_every_loss_has_its_words(self) -> None:
        for reason, words in (
            (error.ConnectionLost(), "the connection was reset"),
            (error.ConnectionLost("closed without a close_notify"), "TLS failed: closed without a close_notify"),
            (ValueError("certificate\n verify failed"), "the connection was lost: certificate verify failed"),
            (error.ConnectionRefusedError(), "cannot send to 192.0.2.1:9: connection refused"),
            (error.NoRouteError(errno.EHOSTUNREACH), "cannot send to 192.0.2.1:9: no route to host"),
        ):
            self.assertEqual(why_lost(reason, "192.0.2.1:9"), words)


class OutcomeTests(SynchronousTestCase):
    def test_failures_are_told_to_anybody(self) -> None:
        for session_end in (SessionEnd.CLOSED, SessionEnd.RESET, SessionEnd.UNSENT, SessionEnd.OUTPUT_CLOSED):
            outcome = outcome_of(session_end, to_person=False, to_pipe=False)
            self.assertEqual(outcome, Outcome(1, session_end.value))

    def test_a_loss_is_told_in_its_own_words(self) -> None:
        outcome = outcome_of(SessionEnd.RESET, to_person=False, to_pipe=True, lost="TLS failed: bad record mac")
        self.assertEqual(outcome, Outcome(1, "TLS failed: bad record mac"))

    def test_what_went_well_is_told_to_a_person_only(self) -> None:
        for session_end in (SessionEnd.ANSWERED, SessionEnd.SILENT):
            self.assertEqual(outcome_of(session_end, to_person=True, to_pipe=True), Outcome(0, session_end.value))
            self.assertEqual(outcome_of(session_end, to_person=False, to_pipe=True), Outcome(0))

    def test_a_reader_in_a_pipeline_may_leave_when_it_likes(self) -> None:
        self.assertEqual(outcome_of(SessionEnd.OUTPUT_CLOSED, to_person=True, to_pipe=True), Outcome(0))


class BorrowedTests(SynchronousTestCase):
    def setUp(self) -> None:
        master, self.terminal = pty.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, self.terminal)

    def flags(self, descriptor: int) -> int:
        return fcntl.fcntl(descriptor, fcntl.F_GETFL)

    def test_a_terminal_is_opened_anew_and_its_sharers_notice_nothing(self) -> None:
        before = self.flags(self.terminal)
        with borrowed(self.terminal) as ours:
            self.assertNotEqual(ours, self.terminal)
            os.set_blocking(ours, False)
            self.assertEqual(self.flags(self.terminal), before)
        with self.assertRaises(OSError):
            os.fstat(ours)

    def test_of_a_terminal_without_a_name_the_flags_are_put_back(self) -> None:
        def no_name(_descriptor: int) -> str:
            raise OSError(errno.ENODEV, "no such device")

        self.patch(os, "ttyname", no_name)
        before = self.flags(self.terminal)
        with borrowed(self.terminal) as ours:
            self.assertEqual(ours, self.terminal)
            os.set_blocking(ours, False)
        self.assertEqual(self.flags(self.terminal), before)

    def test_of_a_pipe_the_flags_are_put_back_whatever_they_were(self) -> None:
        for end in os.pipe():
            self.addCleanup(os.close, end)
            for blocking in (True, False):
                os.set_blocking(end, blocking)
                before = self.flags(end)
                with borrowed(end) as ours:
                    os.set_blocking(ours, not blocking)
                self.assertEqual(self.flags(end), before)
