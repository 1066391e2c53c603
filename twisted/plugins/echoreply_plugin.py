"""The plugin that adds the command C{echoreply} to twistd."""

from twisted.application.service import ServiceMaker

echoreply = ServiceMaker(
    "echoreply",
    "echoreply.tap",
    "A TCP, TLS and UDP reply server, for testing whatever lies between two machines.",
    "echoreply",
)
