"""How the client leaves the descriptors that it shares with other processes."""

import errno
import fcntl
import os
import pty

from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.pipes import shared_descriptor


class SharedDescriptorTests(SynchronousTestCase):
    def setUp(self) -> None:
        master, self.terminal = pty.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, self.terminal)

    def flags(self, descriptor: int) -> int:
        return fcntl.fcntl(descriptor, fcntl.F_GETFL)

    def test_a_terminal_is_opened_a_second_time_and_its_flags_are_unchanged(self) -> None:
        before = self.flags(self.terminal)
        with shared_descriptor(self.terminal) as ours:
            self.assertNotEqual(ours, self.terminal)
            os.set_blocking(ours, False)
            self.assertEqual(self.flags(self.terminal), before)
        with self.assertRaises(OSError):
            os.fstat(ours)

    def test_a_terminal_without_a_name_gets_its_flags_back(self) -> None:
        def no_name(_descriptor: int) -> str:
            raise OSError(errno.ENODEV, "no such device")

        self.patch(os, "ttyname", no_name)
        before = self.flags(self.terminal)
        with shared_descriptor(self.terminal) as ours:
            self.assertEqual(ours, self.terminal)
            os.set_blocking(ours, False)
        self.assertEqual(self.flags(self.terminal), before)

    def test_a_pipe_gets_its_flags_back_whatever_they_were(self) -> None:
        for end in os.pipe():
            self.addCleanup(os.close, end)
            for blocking in (True, False):
                os.set_blocking(end, blocking)
                before = self.flags(end)
                with shared_descriptor(end) as ours:
                    os.set_blocking(ours, not blocking)
                self.assertEqual(self.flags(end), before)
