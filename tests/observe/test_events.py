"""The texts of the server's events."""

from typing import Any

from twisted.logger import formatEvent
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.reasons import EndReason
from echoreply.observe.events import (
    ConnectionEnded,
    EventsNotLogged,
    HandshakeCompleted,
    ScriptFault,
    WorkerEnded,
)
from tests.observe.test_event_logging import logged

ENDS: dict[str, Any] = {"peer": "192.0.2.1:4000", "host": "192.0.2.9:8088", "transport": "tcp"}


class TextTests(SynchronousTestCase):
    def test_the_end_of_an_idle_connection_has_its_seconds(self) -> None:
        ended = ConnectionEnded(**ENDS, connection=1, reason=EndReason.IDLE, idle=0.5, messages=1, received=2, sent=3)
        self.assertEqual(str(ended), "192.0.2.1:4000 ended: idle for 0.5 s; messages 1, bytes in 2, bytes out 3")

    def test_the_end_of_a_worker_has_a_status_a_signal_or_a_reason(self) -> None:
        self.assertEqual(str(WorkerEnded(worker=1, status=3, restarts=False)), "worker 1 ended with status 3")
        self.assertEqual(str(WorkerEnded(worker=1, signal="SIGHUP", restarts=False)), "worker 1 was killed by SIGHUP")
        self.assertEqual(
            str(WorkerEnded(worker=1, why="no memory", restarts=True)),
            "worker 1 could not be started: no memory, and is started again",
        )

    def test_a_handshake_without_a_client_certificate_has_no_text(self) -> None:
        secured = HandshakeCompleted(**ENDS, connection=1, version="TLSv1.3", cipher="TLS_AES_128_GCM_SHA256")
        self.assertEqual(str(secured), "")
        self.assertEqual(str(EventsNotLogged(what="handshakes", count=3)), "")

    def test_control_characters_in_a_certificates_subject_are_escaped(self) -> None:
        secured = HandshakeCompleted(
            **ENDS, connection=1, version="TLSv1.3", cipher="", client=b"CN=\x1b[2J" + b"x" * 300
        )
        shown = '192.0.2.1:4000 is "CN=\\x1b[2J' + "x" * 249 + '"... (307 bytes)'
        self.assertEqual(str(secured), shown)

    def test_braces_in_texts_are_kept(self) -> None:
        event = logged("{event}", event=ScriptFault(fault=b"{event} {0} %s"))
        self.assertEqual(formatEvent(event), 'script made no reply: "{event} {0} %s"; logged once')
