"""The contract in its plainest form, to hold the program against: it knows the whole stream, and nothing of reads."""

from itertools import pairwise

from hypothesis import strategies as st

FAREWELLS = (b"exit", b"quit")


def expected(stream: bytes, prefix: bytes, max_message: int) -> bytes:
    """Give what a client that sends this and then closes its sending side is sent, under --framing line."""
    sent = b""
    for message in stream.replace(b"\n", b"\n\0cut\0").split(b"\0cut\0"):
        run = message.removesuffix(b"\n")
        if len(run.rstrip(b"\r")) > max_message or len(run) > max_message + 1024:
            return sent + b"server error: message longer than %d bytes\n" % max_message
        if message.strip(b"\r\n") in FAREWELLS:
            return sent
        if message:
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
