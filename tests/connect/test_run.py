"""A command's reactor: how its main coroutine, a signal or an exception ends it, and with which status."""

from __future__ import annotations

import signal
from collections.abc import Callable, Coroutine
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from echoreply.connect.run import run_reactor, status_of_signal
from echoreply.connect.target import IClientReactor

Handler = Callable[[int, object], object]


class FakeReactor:
    """
    Runs what it was told to run, then what a test does meanwhile, until it crashes.

    @ivar meanwhile: called in order while the reactor runs.
    """

    def __init__(self) -> None:
        self._started: list[Callable[[], object]] = []
        self.meanwhile: list[Callable[[], object]] = []
        self.crashed = 0
        self.stopped = False

    def callWhenRunning(self, function: Callable[[], object]) -> None:
        self._started.append(function)

    def callFromThread(self, function: Callable[..., object], *arguments: object) -> None:
        self.meanwhile.insert(0, lambda: function(*arguments))

    def run(self) -> None:
        for function in self._started:
            function()
        while not self.crashed and not self.stopped:
            assert self.meanwhile, "nothing ends the reactor"
            self.meanwhile.pop(0)()

    def crash(self) -> None:
        self.crashed += 1

    def stop(self) -> None:
        """Do what Twisted's own handler of SIGTERM does."""
        self.stopped = True


class RunReactorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.handlers: dict[int, object] = {
            signal.SIGINT: signal.default_int_handler,
            signal.SIGTERM: signal.SIG_DFL,
        }
        self.patch(signal, "signal", self.handlers.__setitem__)
        self.patch(signal, "getsignal", self.handlers.__getitem__)

    def run_until_ended(self, main: Callable[[], Coroutine[Any, Any, int]], **arguments: Any) -> int:  # noqa: ANN401
        return run_reactor(cast(IClientReactor, self.reactor), main, **arguments)

    def deliver(self, number: int) -> Callable[[], object]:
        """Return what delivers a signal to the handler that is installed by then."""
        return lambda: cast(Handler, self.handlers[number])(number, None)

    async def never(self) -> int:
        await Deferred()
        raise AssertionError("nothing fires it")

    def test_the_status_is_that_of_main(self) -> None:
        waiting: Deferred[int] = Deferred()

        async def main() -> int:
            return await waiting

        self.reactor.meanwhile = [lambda: waiting.callback(7)]
        self.assertEqual(self.run_until_ended(main), 7)
        self.assertEqual(self.reactor.crashed, 1)

    def test_main_may_return_at_once(self) -> None:
        async def main() -> int:
            return 0

        self.assertEqual(self.run_until_ended(main), 0)

    def test_an_exception_is_logged_and_the_status_is_1(self) -> None:
        async def main() -> int:
            raise LookupError("a bug")

        self.assertEqual(self.run_until_ended(main), 1)
        self.assertEqual([str(failure.value) for failure in self.flushLoggedErrors(LookupError)], ["a bug"])

    def test_a_signal_ends_it_with_the_status_of_the_signal(self) -> None:
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            self.setUp()
            self.reactor.meanwhile = [self.deliver(number)]
            self.assertEqual(self.run_until_ended(self.never), status)
            self.assertEqual(status_of_signal(number), status)

    def test_a_signal_may_leave_the_end_to_main(self) -> None:
        waiting: Deferred[int] = Deferred()
        seen: list[int] = []

        async def main() -> int:
            return await waiting

        self.reactor.meanwhile = [self.deliver(signal.SIGINT), lambda: waiting.callback(3)]
        self.assertEqual(self.run_until_ended(main, interrupt=seen.append), 3)
        self.assertEqual(seen, [signal.SIGINT])

    def test_the_first_status_counts(self) -> None:
        waiting: Deferred[int] = Deferred()

        async def main() -> int:
            return await waiting

        def interrupt(number: int) -> int:
            # What the command does meanwhile may make main return, too.
            waiting.callback(0)
            return number

        self.reactor.meanwhile = [self.deliver(signal.SIGTERM)]
        self.assertEqual(self.run_until_ended(main, interrupt=interrupt), 0)

    def test_an_ignored_sigint_stays_ignored(self) -> None:
        self.handlers[signal.SIGINT] = signal.SIG_IGN
        self.reactor.meanwhile = [self.deliver(signal.SIGTERM)]
        self.assertEqual(self.run_until_ended(self.never), 143)
        self.assertIs(self.handlers[signal.SIGINT], signal.SIG_IGN)

    def test_a_sigterm_that_only_twisted_handles_has_its_status_too(self) -> None:
        self.reactor.meanwhile = [self.reactor.stop]
        self.assertEqual(self.run_until_ended(self.never), 143)
