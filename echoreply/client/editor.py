"""
The line editor: the one room that knows prompt_toolkit.

It has the lowest rows of the terminal, for the line that is typed and for the row that was received in part. Everything
else is written above them, where it stays.
"""

from __future__ import annotations

import os
import re
import select
import signal
from asyncio import ensure_future
from collections.abc import Callable, Iterable
from typing import Protocol, TextIO, TypeVar

from prompt_toolkit.application import Application, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Size
from prompt_toolkit.filters import Condition, is_searching
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History as ToolkitHistory
from prompt_toolkit.input import Input, create_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import AnyContainer, ConditionalContainer, HSplit, Layout, Window
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl
from prompt_toolkit.layout.processors import BeforeInput, HighlightIncrementalSearchProcessor
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.search import accept_search
from prompt_toolkit.styles import Style
from prompt_toolkit.widgets import SearchToolbar
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from wcwidth import grapheme_boundary_before, iter_graphemes

from echoreply.client.display import Unfinished
from echoreply.client.history import History

PAUSE = 0.03
"""Seconds between two times that something is written above, so that the line is drawn again only so often."""
DELAY = 0.01
"""Seconds until anything is drawn: who has just sent a line first listens for its reply, and tells its time rightly."""
MOST_HELD = 65536
"""Bytes that wait for that, at most."""

HELP_KEY = "Ctrl-]"
KEYS = (
    "Enter sends; Up and Down show earlier lines, Ctrl-R searches",
    "Ctrl-A and Ctrl-E go to its ends; Ctrl-W deletes a word,",
    "Ctrl-U and Ctrl-K all to the left or right; Ctrl-Y inserts it",
    "Ctrl-Q and a key inserts that key; Ctrl-L clears the screen",
    "Ctrl-Z stops this program until fg; Ctrl-C leaves at once",
    "quit, or Ctrl-D on an empty line, takes the replies and leaves",
)

T = TypeVar("T")

_STYLE = Style.from_dict({"sent": "ansicyan", "words": "ansiyellow", "search-toolbar": "ansiyellow"})


class ITypist(Protocol):
    """Whoever is told what a person does."""

    def typed(self, text: str) -> None:
        """Take a line, without its end. What was no UTF-8 is in surrogates, as L{os.fsdecode} has it."""

    def ended(self) -> None:
        """Expect no more lines."""

    def interrupted(self) -> None:
        """Leave at once."""

    def asked(self) -> None:
        """Say which keys there are."""


def keys_of(terminal: TextIO) -> Input:
    """Give what a terminal's keys are read by."""
    return create_input(terminal)


class _Kept(ToolkitHistory):
    """A history as prompt_toolkit has it."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history

    def load_history_strings(self) -> Iterable[str]:
        return reversed(self._history.lines)

    def store_string(self, string: str) -> None:
        self._history.add(string)


class _Application(Application[None]):
    """Draws a little later."""

    clock: IReactorTime
    _drawing = False

    def invalidate(self) -> None:
        """Draw soon."""
        if not self._drawing:
            self._drawing = True
            self.clock.callLater(DELAY, self._draw)

    def _draw(self) -> None:
        self._drawing = False
        super().invalidate()


class Editor:
    """
    A line of text at the bottom of a terminal, edited by a person.

    @param clock: where time comes from.
    @param keys: the terminal's input.
    @param screen: the terminal's output.
    @param term: the kind of terminal, as C{TERM} has it.
    @param history: what was typed before.
    @param colour: whether there are colours.
    """

    def __init__(
        self, clock: IReactorTime, keys: Input, screen: TextIO, term: str, history: History, *, colour: bool
    ) -> None:
        self._clock = clock
        self._screen = screen
        self._above = b""
        self._unfinished: Unfinished | None = None
        self._prompt = ""
        self._over = self._closed = False
        self._suspended = False
        self._flushing: IDelayedCall | None = None
        self._flushed = -PAUSE
        self._buffer = Buffer(history=_Kept(history), accept_handler=self._accept, multiline=False)
        # A terminal's answer that comes when we have left would look as if it had been typed.
        self._output = Vt100_Output(screen, self._size, term, enable_cpr=False)
        self._app = _Application(
            layout=self._layout(),
            key_bindings=self._bindings(),
            style=_STYLE,
            color_depth=ColorDepth.DEPTH_4_BIT if colour else ColorDepth.DEPTH_1_BIT,
            erase_when_done=True,
            input=keys,
            output=self._output,
        )
        self._app.clock = clock

    # What the conversation asks.

    def run(self, typist: ITypist, began: Callable[[], None]) -> Deferred[None]:
        """
        Edit until C{close} is called.

        @param began: is called when the terminal is ours.
        @return: fires when the terminal is as it was; fails with L{EOFError} or L{OSError} if it is gone.
        """
        self._typist = typist

        def begin() -> None:
            if self._closed:
                self._app.exit()
            else:
                began()

        running = self._app.run_async(pre_run=begin, handle_sigint=False, set_exception_handler=False)
        return Deferred.fromFuture(ensure_future(running)).addBoth(self._show_cursor)

    def columns(self) -> int:
        """Give the terminal's width."""
        return self._size().columns

    def show(self, above: bytes, unfinished: Unfinished | None) -> None:
        """
        Show something above the line, soon.

        @param above: whole rows, with their ends.
        @param unfinished: the row that is not whole yet. It takes the place of the last one.
        """
        self._above += above
        self._unfinished = unfinished
        if len(self._above) >= MOST_HELD:
            self._flush()
        elif not self._flushing:
            wait = self._flushed + PAUSE - self._clock.seconds()
            self._flushing = self._clock.callLater(min(max(wait, DELAY), PAUSE), self._flush)

    def prompt(self, text: str) -> None:
        """Show this before the line."""
        if text != self._prompt:
            self._prompt = text
            self._app.invalidate()

    def end_input(self) -> None:
        """Take no more lines."""
        self._over = True
        self._app.invalidate()

    def close(self) -> None:
        """Show what there is, and give the terminal back. What was half typed is kept in the history."""
        if not self._over:
            self._buffer.append_to_history()
        self._flush()
        self._closed = True
        if self._app.is_running:
            self._app.exit()

    def _show_cursor(self, result: T) -> T:
        # Older prompt_toolkits leave it hidden if there was no line to be seen in the end.
        self._output.show_cursor()
        self._output.flush()
        return result

    # How it looks.

    def _size(self) -> Size:
        try:
            columns, rows = os.get_terminal_size(self._screen.fileno())
        except OSError:
            # As it is when the terminal is gone.
            columns = rows = 0
        # Some do not know theirs.
        return Size(rows=rows or 24, columns=columns or 80)

    def _layout(self) -> Layout:
        search = SearchToolbar()
        line = Window(
            BufferControl(
                self._buffer,
                search_buffer_control=search.control,
                preview_search=True,
                input_processors=[
                    HighlightIncrementalSearchProcessor(),
                    BeforeInput(lambda: self._prompt, style="class:sent"),
                ],
            ),
            wrap_lines=True,
            dont_extend_height=True,
            style="class:sent",
        )
        received = Window(FormattedTextControl(self._unfinished_text), dont_extend_height=True, wrap_lines=True)
        rows: list[AnyContainer] = [
            ConditionalContainer(received, Condition(lambda: self._unfinished is not None)),
            ConditionalContainer(line, Condition(lambda: not self._over)),
            search,
        ]
        return Layout(HSplit(rows), focused_element=line)

    def _unfinished_text(self) -> StyleAndTextTuples:
        row = self._unfinished
        if not row:
            return []
        return [("", row.mark), ("class:words", row.time), ("", row.text.expandtabs())]

    def _flush(self) -> None:
        if self._flushing and self._flushing.active():
            self._flushing.cancel()
        self._flushing = None
        if self._suspended:
            return
        self._flushed = self._clock.seconds()
        if self._above:
            above, self._above = self._above, b""
            self._app.renderer.erase()
            self._write(above)
        self._app.invalidate()

    def _write(self, data: bytes) -> None:
        """Write to the terminal, and wait until it has taken everything: whoever sends it has to wait as well."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._screen.fileno(), rest) :]
            except BlockingIOError:
                # Somebody who shares the terminal has made it so.
                select.select([], [self._screen], [])
            except OSError:
                # The terminal is gone, and its input tells it as well.
                return

    # What is typed.

    def _accept(self, buffer: Buffer) -> bool:
        # Ctrl-Q can put a line's end into a line.
        for line in buffer.text.split("\n"):
            self._typist.typed(line)
        return False

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        add = bindings.add
        unquoted = Condition(lambda: not self._app.quoted_insert)

        @add("c-c", eager=True, filter=unquoted)
        def interrupt(_: KeyPressEvent) -> None:
            self._typist.interrupted()

        @add("c-d", filter=Condition(lambda: not self._buffer.text) & ~is_searching)
        def end(_: KeyPressEvent) -> None:
            if not self._over:
                self._typist.ended()

        @add("c-]", eager=True, filter=unquoted)
        def ask(_: KeyPressEvent) -> None:
            self._typist.asked()

        @add("c-z", eager=True, filter=unquoted)
        def suspend(_: KeyPressEvent) -> None:
            self._suspended = True
            stopped = run_in_terminal(lambda: os.kill(0, signal.SIGTSTP))
            ensure_future(stopped).add_done_callback(lambda _: self._resumed())

        @add("enter", filter=is_searching)
        def send_what_was_found(_: KeyPressEvent) -> None:
            accept_search()
            self._buffer.validate_and_handle()

        @add(Keys.BracketedPaste)
        def paste(event: KeyPressEvent) -> None:
            accept_search()
            *lines, rest = re.split("\r\n|\r|\n", event.data)
            for line in lines:
                self._buffer.insert_text(line)
                self._buffer.validate_and_handle()
            self._buffer.insert_text(rest)

        @add("tab")
        def type_tab(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\t")

        # By what a reader takes for a character, which may be several code points.

        @add("left")
        @add("c-b")
        def to_left(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            for _ in range(event.arg):
                buffer.cursor_position -= _before(buffer)

        @add("right")
        @add("c-f")
        def to_right(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            for _ in range(event.arg):
                buffer.cursor_position += _after(buffer)

        @add("backspace")
        def delete_before(event: KeyPressEvent) -> None:
            for _ in range(event.arg):
                event.current_buffer.delete_before_cursor(_before(event.current_buffer))

        @add("delete")
        @add("c-d", filter=Condition(lambda: bool(self._buffer.text)))
        def delete_after(event: KeyPressEvent) -> None:
            for _ in range(event.arg):
                event.current_buffer.delete(_after(event.current_buffer))

        return bindings

    def _resumed(self) -> None:
        self._suspended = False
        self._flush()


def _before(buffer: Buffer) -> int:
    """Count the code points of the character before the cursor."""
    at = buffer.cursor_position
    return at - grapheme_boundary_before(buffer.text, at) if at else 0


def _after(buffer: Buffer) -> int:
    """Count the code points of the character at the cursor."""
    return len(next(iter_graphemes(buffer.text[buffer.cursor_position :]), ""))
