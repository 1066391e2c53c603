"""Makes C{twistd echoreply} known to twistd."""

from twisted.application.service import ServiceMaker

echoreply = ServiceMaker(
    "echoreply",
    "echoreply.tap",
    "A TCP reply server, for testing whatever lies between two machines.",
    "echoreply",
)
