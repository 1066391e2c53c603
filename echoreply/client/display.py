"""What a person sees of a conversation, as rows of text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve, frozen
from wcwidth import wcwidth

from echoreply.client.round_trips import Piece
from echoreply.core.quoting import TerminalText

SENT_MARK, RECEIVED_MARK = "> ", "< "
SENT_COLOUR, WORDS_COLOUR = 36, 33
"""Cyan and yellow: ECMA-48, 8.3.117. What is received has the terminal's own colour."""


@frozen
class Unfinished:
    """
    The row that has not been ended by what was received so far.

    @ivar time: what stands before its text and is ours.
    """

    mark: str
    time: str
    text: str


class Display:
    """
    Makes rows of what is sent, received and said.

    Methods give what is to be written above the line that is being typed, each row with its end. The last row of what
    was received is kept back in C{unfinished} until it is whole, or something else has to be shown.

    @param name: whose words ours are.
    @param colour: whether the three are told apart by colours, too.
    @param dump: whether bytes are shown in hexadecimal.
    @param times: whether replies are shown with their round-trip times.
    @param raw: whether what is received goes to the terminal byte for byte. Then nothing of it is kept back.
    """

    def __init__(self, name: str, *, colour: bool, dump: bool = False, times: bool = False, raw: bool = False) -> None:
        self._name = name
        self._colour = colour
        self._dump = dump
        self._times = times
        self._raw = raw
        self.connected()

    def connected(self) -> None:
        """Begin with a new connection."""
        self._received_text = TerminalText()
        self._offsets = {SENT_MARK: 0, RECEIVED_MARK: 0}
        self.unfinished: Unfinished | None = None

    def ended(self) -> bytes:
        """Show what was kept back: nothing more will be received."""
        if text := self._received_text.finish().decode():
            row = self.unfinished or Unfinished(RECEIVED_MARK, "", "")
            self.unfinished = evolve(row, text=row.text + text)
        return self._end_row()

    def words(self, text: str) -> bytes:
        """Show words of ours."""
        return self._end_row() + self._row(self._coloured(f"{self._name}: {text}", WORDS_COLOUR))

    def typed(self, line: bytes) -> bytes:
        """Show a line that was typed. In a dump it is shown when it is sent."""
        if self._dump:
            return b""
        text = TerminalText()
        shown = (text.receive(line.removesuffix(b"\n")) + text.finish()).decode()
        return self._end_row() + self._row(self._coloured(SENT_MARK + shown, SENT_COLOUR))

    def sent(self, data: bytes) -> bytes:
        """Show what a line was sent as, if that is to be dumped."""
        if not self._dump:
            return b""
        rows = (self._row(self._coloured(SENT_MARK + row, SENT_COLOUR)) for row in self._dumped(SENT_MARK, data))
        return self._end_row() + b"".join(rows)

    def received(self, piece: Piece, columns: int) -> bytes:
        """
        Show what was received.

        @param columns: the terminal's width. Of a row that has no end yet, what fills the terminal's is shown.
        """
        time = self._time(piece) if self._times else ""
        if self._dump:
            # On a row of its own, so that the others have room on a terminal of eighty columns.
            heads = [self._row(self._received_row(RECEIVED_MARK, time.rstrip(), ""))] if time else []
            rows = [self._row(RECEIVED_MARK + row) for row in self._dumped(RECEIVED_MARK, piece.data)]
            return b"".join(heads + rows)
        if self._raw:
            head = self._received_row(RECEIVED_MARK, time, "").encode()
            return head + piece.data + (b"" if piece.data.endswith(b"\n") else b"\r\n")
        # Another reply's row, that was never ended, is now.
        shown = self._end_row() if piece.begins else b""
        row = self.unfinished or Unfinished(RECEIVED_MARK, time, "")
        text = row.text + self._received_text.receive(piece.data).decode()
        self.unfinished = evolve(row, text=text.removesuffix("\n"))
        return shown + (self._end_row() if piece.ends else self._fill_rows(self.unfinished, columns))

    def _fill_rows(self, row: Unfinished, columns: int) -> bytes:
        """Show of the unfinished row what fills rows of the terminal."""
        shown = []
        text = row.text.expandtabs()
        start = 0
        room = columns - len(row.mark + row.time)
        for at, character in enumerate(text):
            width = max(wcwidth(character), 0)
            if width > room and at > start:
                shown.append(self._row(self._received_row(row.mark, row.time, text[start:at])))
                # What follows goes on with the same row, as it does where a terminal wraps one.
                row, start, room = Unfinished("", "", ""), at, columns
            room -= width
        self.unfinished = evolve(row, text=text[start:])
        return b"".join(shown)

    def _end_row(self) -> bytes:
        row, self.unfinished = self.unfinished, None
        return self._row(self._received_row(row.mark, row.time, row.text)) if row else b""

    def _received_row(self, mark: str, time: str, text: str) -> str:
        return mark + (self._coloured(time, WORDS_COLOUR) if time else "") + text

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
        return "[  unasked  ] " if piece.seconds is None else f"[{piece.seconds * 1000:8.2f} ms] "


WIDTH = 16


def hexdump(data: bytes, offset: int = 0) -> Iterator[str]:
    """
    Give the rows of a dump, as C{hexdump -C} does.

    @param offset: where the first byte is. Rows begin there, not at multiples of sixteen.
    """
    for start in range(0, len(data), WIDTH):
        row = data[start : start + WIDTH]
        left, right = row[: WIDTH // 2].hex(" "), row[WIDTH // 2 :].hex(" ")
        printable = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"{offset + start:08x}  {left:<23}  {right:<23}  |{printable}|"
