"""A reference implementation of the wire contract, for whole streams regardless of reads."""

import re
from itertools import pairwise

from hypothesis import strategies as st

CLOSE_WORDS = (b"exit", b"quit")


def messages_of(stream: bytes) -> list[bytes]:
    """Return the messages of a stream under --framing line. The last one may lack its LF."""
    return re.findall(rb"[^\n]*\n|[^\n]+", stream)


def expected(stream: bytes, prefix: bytes, max_message: int) -> bytes:
    """Return the replies to a client that sends this stream and closes its sending side, under --framing line."""
    return replies_to(messages_of(stream), prefix, max_message)


def too_long(message: bytes, max_message: int) -> bool:
    """Return whether a message, finished or not, is too long."""
    run = message.removesuffix(b"\n")
    return len(run.rstrip(b"\r")) > max_message or len(run) > max_message + 1024


def replies_to(messages: list[bytes], prefix: bytes, max_message: int) -> bytes:
    """Return everything that a client gets that sends these messages."""
    sent = b""
    for message in messages:
        if too_long(message, max_message):
            line_break = b"" if sent.endswith(b"\n") or not sent else b"\n"
            return sent + line_break + b"server error: message longer than %d bytes\n" % max_message
        if message.strip(b"\r\n") in CLOSE_WORDS:
            return sent
        sent += prefix + message
    return sent


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """Cut a stream into segments at the given places, as a network might."""
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges) if start < end]


streams = st.lists(
    st.one_of(
        st.sampled_from([b"\n", b"\r", b"\r\n", b"exit", b"quit", b"Exit"]),
        st.sampled_from([b"a", b"\0", b"\xff", "中".encode(), b"xxxxxxxx"]),
        st.binary(max_size=6),
    ),
    max_size=40,
).map(b"".join)
places = st.lists(st.integers(0, 2**16), max_size=30)
