"""
A fuzzer for the server's replies: arbitrary segments, half-closes and slow readers, on a server without a network.

C{python -m tests.fuzz --seconds 60} looks for a conversation whose replies are not those of the contract, and prints
the shortest that it finds. The reference, L{tests.support.reference}, sees the stream and nothing of reads or buffers.
"""

from __future__ import annotations

import argparse
import sys
import time

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock

from echoreply.core.conversation import REPLIES_AT_ONCE, Rules
from echoreply.core.framing import Framing
from echoreply.core.replies import Replies
from echoreply.observe.totals_observer import TotalsObserver
from echoreply.protocol import BUFFER, ReplyFactory
from tests.support.fake_transports import TCPStringTransport, built
from tests.support.reference import messages_of, replies_to, streams, too_long

PAUSE = 0.2

floods = st.builds(
    lambda message, count: message * count,
    st.sampled_from([b"\n", b"a\n", b"exit?\n", b"x" * 100 + b"\r\n", b"x" * 5000, b"\r", b"\0\xff\n"]),
    st.integers(1, 9000),
).map(lambda flood: flood[:30_000])
terminators = st.integers(1020, 1030).map(lambda count: b"\r" * count)
segments = st.one_of(
    streams, floods, st.binary(max_size=200), terminators, st.sampled_from([b"a\nb", b"a", b"b\n", b"\n"])
)
seldom = st.sampled_from([False] * 7 + [True])


class Conversations(RuleBasedStateMachine):
    """
    One client and one server, and between them a network that delivers when it likes.

    The client sends into C{unread}, from which the server reads; the replies wait in the transport until the client
    takes them.
    """

    @initialize(
        framing=st.sampled_from(Framing),
        prefix=st.sampled_from([b"server reply:", b"", b"\n", b">"]),
        max_message=st.sampled_from([65536, 1000, 8]),
        room=st.sampled_from([0, 1, 1000, BUFFER]),
    )
    def connect(self, framing: Framing, prefix: bytes, max_message: int, room: int) -> None:
        self.clock = Clock()
        self.contract = Rules(Replies(prefix), framing, max_message)
        self.totals = TotalsObserver()
        self.factory = ReplyFactory(self.clock, self.contract, pause=PAUSE, idle_timeout=0, observers=[self.totals])
        self.protocol = built(self.factory)
        self.transport = TCPStringTransport(self.protocol)
        self.transport.room = room
        self.protocol.makeConnection(self.transport)
        self.unread = bytearray()
        self.reads: list[bytes] = []
        self.parts = [b""]
        self.finished = self.finish_read = self.lost = False
        self.owed, self.owed_at = b"", (0, 0, False)

    # What the client does.

    @rule(segment=segments)
    def send(self, segment: bytes) -> None:
        if not self.finished:
            self.unread += segment

    @rule(segment=segments)
    def send_and_be_read(self, segment: bytes) -> None:
        self.send(segment)
        self.deliver_all()

    @rule(really=seldom)
    def finish(self, really: bool) -> None:
        self.finished |= really

    @precondition(lambda self: not self.lost)
    @rule()
    def take_replies(self) -> None:
        self.transport.flush()
        self.note_end()

    @precondition(lambda self: not self.lost)
    @rule()
    def take_all_replies(self) -> None:
        while not self.lost and self.transport.waiting:
            self.take_replies()

    @precondition(lambda self: not self.lost)
    @rule(really=seldom)
    def reset(self, really: bool) -> None:
        if really:
            self.transport.lose(ConnectionLost())
            self.note_end()

    # What the network and time do.

    @precondition(lambda self: not self.lost)
    @rule(size=st.one_of(st.integers(1, 40), st.just(BUFFER)))
    def deliver(self, size: int) -> None:
        """Let the server read, unless it has paused."""
        if not self.transport.reading or self.transport.disconnecting:
            return
        if self.unread:
            data = bytes(self.unread[:size])
            del self.unread[:size]
            self.reads.append(data)
            self.parts[-1] += data
            self.protocol.dataReceived(data)
        elif self.finished and not self.finish_read:
            self.finish_read = True
            self.protocol.readConnectionLost()

    @rule()
    def deliver_all(self) -> None:
        while not self.lost and self.unread and self.transport.reading and not self.transport.disconnecting:
            self.deliver(BUFFER)

    @precondition(lambda self: not self.lost)
    @rule()
    def be_silent(self) -> None:
        """Let the pause pass; it counts only while the server reads, and all that was sent has been read."""
        counts = self.transport.reading and not self.finish_read
        self.clock.advance(PAUSE)
        if counts and self.contract.framing is Framing.AUTO and not any(b"\n" in part for part in self.parts):
            self.parts.append(b"")

    # What holds at any time.

    def messages(self) -> list[bytes]:
        """Return the messages that the server has read, as the contract cuts them."""
        if self.contract.framing is Framing.READ:
            return self.reads
        messages = [message for part in self.parts for message in messages_of(part)]
        unfinished = self.parts[-1] and not self.parts[-1].endswith(b"\n")
        if unfinished and not self.finish_read and not too_long(messages[-1], self.contract.max_message):
            messages.pop()
        return messages

    @invariant()
    def every_reply_is_that_of_the_contract(self) -> None:
        state = len(self.reads), len(self.parts), self.finish_read
        if state != self.owed_at:
            self.owed_at = state
            self.owed = replies_to(self.messages(), self.contract.replies.prefix, self.contract.max_message)
        owed = self.owed
        sent = self.transport.value()
        assert owed.startswith(sent), f"sent {sent[-100:]!r}, where {owed[-100:]!r} was owed"
        if not self.lost and self.transport.waiting <= self.transport.room:
            assert len(sent) == len(owed), f"{owed[len(sent) :][:100]!r} was not sent"

    @invariant()
    def memory_is_bounded(self) -> None:
        longest = max(
            REPLIES_AT_ONCE, len(self.contract.replies.prefix) + max(self.contract.max_message + 1025, BUFFER)
        )
        assert self.transport.waiting <= self.transport.room + longest + 50
        if not self.protocol.end_reason:
            counts = self.totals.totals()
            answered = counts.sent - counts.messages * len(self.contract.replies.prefix)
            assert counts.received - answered <= self.contract.max_message + 1025 + BUFFER

    @invariant()
    def it_adds_up(self) -> None:
        counts = self.totals.totals()
        assert counts.accepted == counts.open + counts.endings.total() == 1
        assert counts.sent == len(self.transport.value())
        assert counts.received == sum(map(len, self.reads))

    def note_end(self) -> None:
        self.lost = not self.factory.protocols
        if self.lost:
            assert self.clock.getDelayedCalls() == []

    def teardown(self) -> None:
        """Let everything arrive: then the client has all replies, and the server has closed the connection."""
        if not hasattr(self, "clock"):
            return
        self.finished = True
        for _ in range(10_000):
            if self.lost:
                break
            self.deliver(BUFFER)
            self.every_reply_is_that_of_the_contract()
            self.take_replies()
        assert self.lost, "the connection has not ended"
        assert self.factory.protocols == set()


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.fuzz", description="Look for replies that break the contract.")
    parser.add_argument("--seconds", type=float, default=60, help="for how long [%(default)s]")
    seconds = parser.parse_args().seconds
    rounds = settings(
        max_examples=200,
        stateful_step_count=60,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    connected = steps = 0

    class Counted(Conversations):
        def teardown(self) -> None:
            nonlocal connected, steps
            super().teardown()
            connected += 1
            steps += len(getattr(self, "reads", []))

    began = time.monotonic()
    while time.monotonic() < began + seconds:
        run_state_machine_as_test(Counted, settings=rounds)
    print(f"{connected} conversations, {steps} reads, in {time.monotonic() - began:.0f} s: every reply as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
