"""Reply scripts to test with."""

from __future__ import annotations

from collections.abc import Callable

from echoreply.core.connection_info import Address, ConnectionInfo, PortNumbers, TLSDetails
from echoreply.core.conversation import Rules
from echoreply.core.defaults import DEFAULT_MAX_MESSAGE
from echoreply.core.framing import Framing
from echoreply.core.replies import Replies, Transform
from echoreply.scripts.rules import rules_of_script
from echoreply.scripts.source import script_of_toml

BY_TCP = ConnectionInfo(3, Address("192.0.2.1", 4000), Address("192.0.2.9", 8088), "tcp")
BY_TLS = ConnectionInfo(
    4,
    Address("2001:db8::1", 4001),
    Address("2001:db8::9", 8443),
    "tls",
    TLSDetails("TLSv1.3", "TLS_AES_128_GCM_SHA256", "server.test", "echo/1", "CN=client"),
)


def rules_of_toml(
    text: str,
    prefix: bytes = b">",
    transform: Transform = Transform.NONE,
    *,
    framing: Framing | None = None,
    max_message: int = DEFAULT_MAX_MESSAGE,
    ports: PortNumbers | None = None,
    report: Callable[[str], object] = lambda _fault: None,
) -> Rules:
    """Return the rules of a server with this script."""
    replies = Replies(prefix, transform)
    script = script_of_toml(text)
    return rules_of_script(script, replies, framing=framing, max_message=max_message, ports=ports, report=report)
