"""Every state and every event of the interactive client and of a bridged connection, and the page that shows them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.outcome import Outcome
from echoreply.client.states import BRIDGE, INTERACTIVE, BridgeEvent, BridgeState, InteractiveEvent, InteractiveState
from echoreply.core.state_machine import IllegalTransitionError, StateMachine
from tests.client.test_bridge import ClientTestCase
from tests.client.test_interactive import InteractiveTestCase
from tests.support.fake_transports import TCPStringTransport
from tests.support.state_tables import documented, in_words


class TableTests(SynchronousTestCase):
    def test_the_page_shows_the_tables_of_the_code(self) -> None:
        for section, table in (("Interactive", INTERACTIVE), ("ReplyClient", BRIDGE)):
            self.assertEqual(documented(section), in_words(table))

    def test_every_state_has_a_row(self) -> None:
        self.assertEqual(set(INTERACTIVE), set(InteractiveState))
        self.assertEqual(set(BRIDGE), set(BridgeState))


class InteractiveStateTests(InteractiveTestCase):
    """Drives the interactive client from outside: by its editor, its connection, and its clock."""

    retry = True

    def setUp(self) -> None:
        self.socket: TCPStringTransport | None = None
        self.prepare()

    def enter(self, state: InteractiveState) -> None:
        """Bring a new client into a state."""
        self.prepare()
        path = {
            InteractiveState.STARTING: [],
            InteractiveState.CONNECTING: [self.start],
            InteractiveState.CONNECTED: [self.start, self.accept],
            InteractiveState.ENDING: [self.start, self.accept, self.send_exit],
            InteractiveState.BACKING_OFF: [self.start, self.endpoint.refuse],
            InteractiveState.ENDED: [self.interactive.interrupted],
        }[state]
        for step in path:
            step()
        self.assertIs(self.interactive.state, state)

    def start(self) -> None:
        self.interactive.start()

    def accept(self) -> None:
        self.socket = self.connect()

    def send_exit(self) -> None:
        self.type("exit")

    def lose(self) -> None:
        assert self.socket
        self.socket.lose(ConnectionLost())

    def close_cleanly(self) -> None:
        assert self.socket
        self.close(self.socket)

    def wait(self) -> None:
        self.clock.advance(60)

    def drivers(self) -> dict[tuple[InteractiveState, InteractiveEvent], list[Callable[[], object]]]:
        """Return, for each transition of the table, all that causes it."""
        state, event = InteractiveState, InteractiveEvent
        interactive, endpoint = self.interactive, self.endpoint
        stop: list[Callable[[], object]] = [interactive.interrupted, lambda: interactive.end(Outcome(143))]
        return {
            (state.STARTING, event.START): [self.start],
            (state.STARTING, event.END): [*stop, interactive.input_ended, lambda: self.type("quit")],
            (state.CONNECTING, event.CONNECT): [self.accept],
            (state.CONNECTING, event.BACK_OFF): [endpoint.refuse, lambda: self.clock.advance(10)],
            (state.CONNECTING, event.END): [*stop, interactive.input_ended, lambda: self.type("quit")],
            (state.CONNECTED, event.REQUEST_END): [
                self.send_exit,
                interactive.input_ended,
                lambda: self.type("Quit"),
                lambda: self.type("a", "quit"),
            ],
            (state.CONNECTED, event.BACK_OFF): [self.lose, self.close_cleanly],
            (state.CONNECTED, event.END): stop,
            (state.ENDING, event.REQUEST_END): [self.send_exit, interactive.input_ended, lambda: self.type("quit")],
            (state.ENDING, event.END): [*stop, self.lose, self.close_cleanly],
            (state.BACKING_OFF, event.RETRY): [lambda: self.clock.advance(0.5)],
            (state.BACKING_OFF, event.END): [*stop, interactive.input_ended, lambda: self.type("quit")],
        }

    def test_whatever_causes_a_transition_leads_where_the_table_says(self) -> None:
        tried = self.drivers()
        self.assertEqual(set(tried), {(state, event) for state, row in INTERACTIVE.items() for event in row})
        for (state, event), causes in tried.items():
            for number in range(len(causes)):
                self.enter(state)
                self.drivers()[state, event][number]()
                self.assertIs(self.interactive.state, INTERACTIVE[state][event], (state, event, number))

    def test_any_other_event_raises(self) -> None:
        for state, event in product(InteractiveState, InteractiveEvent):
            machine = StateMachine(INTERACTIVE, state)
            if event in INTERACTIVE[state]:
                machine.process(event)
                self.assertIs(machine.state, INTERACTIVE[state][event])
            else:
                with self.assertRaises(IllegalTransitionError):
                    machine.process(event)
                self.assertIs(machine.state, state)

    def test_a_client_can_not_be_started_twice(self) -> None:
        for state in set(InteractiveState) - {InteractiveState.STARTING}:
            self.enter(state)
            with self.assertRaises(IllegalTransitionError):
                self.interactive.start()

    def test_after_the_end_nothing_happens_any_more(self) -> None:
        self.enter(InteractiveState.CONNECTED)
        socket = self.socket
        assert socket
        self.type("a")
        self.interactive.interrupted()
        socket.take()
        self.editor.take()
        self.type("b", "exit", "quit")
        self.interactive.input_ended()
        self.interactive.interrupted()
        self.interactive.end(Outcome(1))
        self.lose()
        self.wait()
        self.assertEqual((socket.value(), self.editor.take()), (b"", []))
        self.assert_ended(130)


class BridgeStateTests(ClientTestCase):
    """Drives a bridged connection from outside: by its input, its output, its socket, and its clock."""

    def enter(self, state: BridgeState) -> None:
        self.setUp()
        path = {
            BridgeState.OPEN: [],
            BridgeState.FINISHING: [self.stdio.readConnectionLost],
            BridgeState.FINISHED: [self.stdio.readConnectionLost, self.client.writeConnectionLost],
            BridgeState.ENDED: [self.client.readConnectionLost],
        }[state]
        for step in path:
            step()
        self.assertIs(self.state, state)

    @property
    def state(self) -> BridgeState:
        return self.client.state

    def causes(self) -> dict[BridgeEvent, list[Callable[[], object]]]:
        return {
            BridgeEvent.FINISH: [
                self.stdio.readConnectionLost,
                lambda: self.stdio.dataReceived(b"quit\n"),
                self.client.finish,
            ],
            BridgeEvent.SENT: [self.client.writeConnectionLost],
            BridgeEvent.END: [
                self.client.readConnectionLost,
                lambda: self.socket.lose(ConnectionLost()),
                self.stdio.writeConnectionLost,
            ],
        }

    def test_whatever_happens_in_any_state_leads_where_the_table_says(self) -> None:
        for state, event in product(BridgeState, BridgeEvent):
            for number in range(len(self.causes()[event])):
                self.enter(state)
                cause = self.causes()[event][number]
                if event in BRIDGE[state]:
                    cause()
                    self.assertIs(self.state, BRIDGE[state][event], (state, event, number))
                else:
                    with self.assertRaises(IllegalTransitionError):
                        cause()
                    self.assertIs(self.state, state)

    def test_a_silent_server_ends_it(self) -> None:
        self.enter(BridgeState.FINISHED)
        self.socket.flush()
        self.clock.advance(5)
        self.assertIs(self.state, BridgeState.ENDED)
