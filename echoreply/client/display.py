"""The output of the interactive client: sent lines, replies and messages, as rows of text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve, frozen
from wcwidth import wcwidth

from echoreply.client.round_trips import Piece
from echoreply.core.quoting import TerminalText

SENT_MARK, RECEIVED_MARK = "> ", "< "
SENT_COLOUR, MESSAGE_COLOUR = 36, 33
"""Cyan and yellow: ECMA-48, 8.3.117. Replies have the terminal's default colour."""


@frozen
class Unfinished:
    """
    The last row of a reply, whose LF has not arrived yet.

    @ivar mark: the mark of received rows; empty if the row continues one above it.
    @ivar time: the round-trip time as text, which is shown before the row's text.
    """

    mark: str
    time: str
    text: str


class Display:
    """
    Converts sent lines, replies and messages to rows.

    Its methods return bytes to write above the line that is being edited: complete rows with their line ends. An
    incomplete row of a reply stays in C{unfinished} until it is complete, or another row follows.

    @param name: the name of the program, before its messages.
    @param colour: whether to use colours.
    @param dump: whether to show bytes in hexadecimal.
    @param times: whether to show round-trip times.
    @param raw: whether replies go to the terminal byte for byte, and at once.
    """

    def __init__(self, name: str, *, colour: bool, dump: bool = False, times: bool = False, raw: bool = False) -> None:
        self._name = name
        self._colour = colour
        self._dump = dump
        self._times = times
        self._raw = raw
        self.connected()

    def connected(self) -> None:
        """Start a new connection. Offsets of dumps begin at 0 again."""
        self._received_text = TerminalText()
        self._offsets = {SENT_MARK: 0, RECEIVED_MARK: 0}
        self.unfinished: Unfinished | None = None

    def ended(self) -> bytes:
        """Return the rest of what was received: the unfinished row, with an incomplete character."""
        if text := self._received_text.finish().decode():
            row = self.unfinished or Unfinished(RECEIVED_MARK, "", "")
            self.unfinished = evolve(row, text=row.text + text)
        return self._end_row()

    def message(self, text: str) -> bytes:
        """Return the row of a message of the program."""
        return self._end_row() + self._row(self._coloured(f"{self._name}: {text}", MESSAGE_COLOUR))

    def entered(self, line: bytes) -> bytes:
        """Return the row of a line that was entered; empty with dumps, which show lines when they are sent."""
        if self._dump:
            return b""
        text = TerminalText()
        shown = (text.receive(line.removesuffix(b"\n")) + text.finish()).decode()
        return self._end_row() + self._row(self._coloured(SENT_MARK + shown, SENT_COLOUR))

    def sent(self, data: bytes) -> bytes:
        """Return the dump of what was sent; empty without dumps."""
        if not self._dump:
            return b""
        rows = (self._row(self._coloured(SENT_MARK + row, SENT_COLOUR)) for row in self._dumped(SENT_MARK, data))
        return self._end_row() + b"".join(rows)

    def received(self, piece: Piece, columns: int) -> bytes:
        """
        Return the rows of what was received.

        @param columns: the width of the terminal. Of an unfinished row, the part that fills whole rows is returned.
        """
        time = self._time(piece) if self._times else ""
        if self._dump:
            # The time is in a separate row, since a dump is as wide as a terminal of 80 columns.
            heads = [self._row(self._received_row(RECEIVED_MARK, time.rstrip(), ""))] if time else []
            rows = [self._row(RECEIVED_MARK + row) for row in self._dumped(RECEIVED_MARK, piece.data)]
            return b"".join(heads + rows)
        if self._raw:
            head = self._received_row(RECEIVED_MARK, time, "").encode()
            return head + piece.data + (b"" if piece.data.endswith(b"\n") else b"\r\n")
        # A reply without an LF ends where the next one begins.
        shown = self._end_row() if piece.begins else b""
        row = self.unfinished or Unfinished(RECEIVED_MARK, time, "")
        text = row.text + self._received_text.receive(piece.data).decode()
        self.unfinished = evolve(row, text=text.removesuffix("\n"))
        return shown + (self._end_row() if piece.ends else self._fill_rows(self.unfinished, columns))

    def _fill_rows(self, row: Unfinished, columns: int) -> bytes:
        """Return the part of the unfinished row that fills whole rows of the terminal."""
        shown = []
        text = row.text.expandtabs()
        start = 0
        room = columns - len(row.mark + row.time)
        for at, character in enumerate(text):
            width = max(wcwidth(character), 0)
            if width > room and at > start:
                shown.append(self._row(self._received_row(row.mark, row.time, text[start:at])))
                # The continuation has no mark, like a row that a terminal wraps.
                row, start, room = Unfinished("", "", ""), at, columns
            room -= width
        self.unfinished = evolve(row, text=text[start:])
        return b"".join(shown)

    def _end_row(self) -> bytes:
        row, self.unfinished = self.unfinished, None
        return self._row(self._received_row(row.mark, row.time, row.text)) if row else b""

    def _received_row(self, mark: str, time: str, text: str) -> str:
        return mark + (self._coloured(time, MESSAGE_COLOUR) if time else "") + text

    @staticmethod
    def _row(text: str) -> bytes:
        return text.replace("\n", "\r\n").encode() + b"\r\n"

    def _coloured(self, text: str, colour: int) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text

    def _dumped(self, mark: str, data: bytes) -> list[str]:
        offset = self._offsets[mark]
        self._offsets[mark] += len(data)
        return list(hexdump(data, offset)) or [f"{offset:08x}"]

    @staticmethod
    def _time(piece: Piece) -> str:
        if not piece.begins:
            return ""
        return "[unsolicited] " if piece.seconds is None else f"[{piece.seconds * 1000:8.2f} ms] "


WIDTH = 16


def hexdump(data: bytes, offset: int = 0) -> Iterator[str]:
    """
    Yield the rows of a dump, in the format of C{hexdump -C}.

    @param offset: the offset of the first byte. Rows begin there, not at multiples of 16.
    """
    for start in range(0, len(data), WIDTH):
        row = data[start : start + WIDTH]
        left, right = row[: WIDTH // 2].hex(" "), row[WIDTH // 2 :].hex(" ")
        printable = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"{offset + start:08x}  {left:<23}  {right:<23}  |{printable}|"
