"""What lies between a worker process and its supervisor: which descriptors, and what is said through them."""

from __future__ import annotations

LIFELINE, BOARD, REPORTS, CERTIFICATE, SCRIPT, LISTENERS = 0, 3, 4, 5, 6, 7
"""
The descriptors of a worker: a pipe that ends with the supervisor, what it tells by, the certificate that was made for
this run, if there is one, the script, if there is one, and what it listens with, in the order of L{tcp_roads}.
"""

HURRY, LOOK, FORGET = b"!", b"?", b"-"
"""
Come through the lifeline: no client is to be waited for; it is to be told what has changed of the connections; and it
is forgotten what was told.
"""


def row_prefix(number: int) -> str:
    """Give what the names of a worker's rows begin with."""
    return f"{number}."
