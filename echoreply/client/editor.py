"""
The line editor of the interactive client, made with prompt_toolkit.

It occupies the bottom rows of the terminal: the row of a reply that is still incomplete, and the line that is being
edited. Everything else is written above them, and scrolls.
"""

from __future__ import annotations

import os
import select
import signal
from asyncio import ensure_future
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Protocol, TextIO, TypeVar

from prompt_toolkit.application import Application, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Size
from prompt_toolkit.filters import Condition, is_searching
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History as ToolkitHistory
from prompt_toolkit.input import Input, create_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.layout import AnyContainer, ConditionalContainer, HSplit, Layout, Window
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl
from prompt_toolkit.layout.processors import BeforeInput, HighlightIncrementalSearchProcessor
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import Style
from prompt_toolkit.widgets import SearchToolbar
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from echoreply.client.display import Unfinished
from echoreply.client.editing_keys import editing_keys
from echoreply.client.history import History

WRITE_INTERVAL = 0.03
"""Minimum seconds between two writes above the line, since each redraws the line."""
DRAW_DELAY = 0.01
"""Seconds before anything is drawn, so that drawing does not delay a reply and lengthen its measured time."""
MAX_BUFFERED = 65536
"""Maximum bytes that wait to be written above the line."""

HELP_KEY = "Ctrl-]"
KEYS = (
    "Enter sends; Up and Down show earlier lines, Ctrl-R searches",
    "Ctrl-A goes to the start of the line, Ctrl-E to the end",
    "Ctrl-W deletes a word, Ctrl-U to the start, Ctrl-K to the end;",
    "Ctrl-Y pastes what was deleted",
    "Ctrl-Q and a key inserts that key; Ctrl-L clears the screen",
    "Ctrl-Z suspends this program until fg; Ctrl-C exits at once",
    "quit, or Ctrl-D on an empty line, exits after the last reply",
)

T = TypeVar("T")

_STYLE = Style.from_dict({"sent": "ansicyan", "message": "ansiyellow", "search-toolbar": "ansiyellow"})


class IEditorListener(Protocol):
    """The object that receives the input of an editor."""

    def line_entered(self, text: str) -> None:
        """Handle a line, without its end. Bytes that are not UTF-8 are surrogates, as L{os.fsdecode} makes them."""

    def input_ended(self) -> None:
        """Handle the end of the input: Ctrl-D on an empty line."""

    def interrupted(self) -> None:
        """Handle Ctrl-C."""

    def help_requested(self) -> None:
        """Handle the help key."""


def keys_of(terminal: TextIO) -> Input:
    """Return the prompt_toolkit input that reads the keys of a terminal."""
    return create_input(terminal)


class _InputState(Enum):
    EDITING = auto()
    """The line is shown, and can be edited."""
    ENDED = auto()
    """No more lines are accepted, but replies are still shown."""
    CLOSED = auto()
    """The terminal has been restored, or is about to be."""


class _HistoryAdapter(ToolkitHistory):
    """Adapts the client's history to prompt_toolkit."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history

    def load_history_strings(self) -> Iterable[str]:
        return reversed(self._history.lines)

    def store_string(self, string: str) -> None:
        self._history.add(string)


class _Application(Application[None]):
    """Delays drawing by L{DRAW_DELAY}."""

    clock: IReactorTime
    _drawing = False

    def invalidate(self) -> None:
        if not self._drawing:
            self._drawing = True
            self.clock.callLater(DRAW_DELAY, self._draw)

    def _draw(self) -> None:
        self._drawing = False
        super().invalidate()


class Editor:
    """
    A line editor at the bottom of a terminal.

    @param clock: the reactor, or another source of time.
    @param keys: the terminal's input.
    @param screen: the terminal's output.
    @param term: the terminal's type, as in C{TERM}.
    @param history: the lines of earlier runs, and where to save new ones.
    @param colour: whether to use colours.
    """

    def __init__(
        self, clock: IReactorTime, keys: Input, screen: TextIO, term: str, history: History, *, colour: bool
    ) -> None:
        self._clock = clock
        self._screen = screen
        self._above = b""
        self._unfinished: Unfinished | None = None
        self._prompt = ""
        self._input = _InputState.EDITING
        self._suspended = False
        self._flushing: IDelayedCall | None = None
        self._flushed = -WRITE_INTERVAL
        self._buffer = Buffer(history=_HistoryAdapter(history), accept_handler=self._accept, multiline=False)
        # Cursor position requests are off: a late response would become input of the shell.
        self._output = Vt100_Output(screen, self._size, term, enable_cpr=False)
        self._app = _Application(
            layout=self._layout(),
            key_bindings=merge_key_bindings([self._control_keys(), editing_keys(self._buffer)]),
            style=_STYLE,
            color_depth=ColorDepth.DEPTH_4_BIT if colour else ColorDepth.DEPTH_1_BIT,
            erase_when_done=True,
            input=keys,
            output=self._output,
        )
        self._app.clock = clock

    # Called by the client.

    def run(self, listener: IEditorListener, started: Callable[[], None]) -> Deferred[None]:
        """
        Edit lines until C{close} is called.

        @param listener: receives the lines, and other input.
        @param started: called when the terminal is ready.
        @return: fires when the terminal has been restored; fails with L{EOFError} or L{OSError} if it was closed.
        """
        self._listener = listener

        def begin() -> None:
            if self._input is _InputState.CLOSED:
                self._app.exit()
            else:
                started()

        running = self._app.run_async(pre_run=begin, handle_sigint=False, set_exception_handler=False)
        return Deferred.fromFuture(ensure_future(running)).addBoth(self._show_cursor)

    def columns(self) -> int:
        """Return the width of the terminal."""
        return self._size().columns

    def show(self, above: bytes, unfinished: Unfinished | None) -> None:
        """
        Show rows above the line, within L{WRITE_INTERVAL}.

        @param above: complete rows, with their line ends.
        @param unfinished: the row that is not complete yet, which replaces the previous one.
        """
        self._above += above
        self._unfinished = unfinished
        if len(self._above) >= MAX_BUFFERED:
            self._flush()
        elif not self._flushing:
            wait = self._flushed + WRITE_INTERVAL - self._clock.seconds()
            self._flushing = self._clock.callLater(min(max(wait, DRAW_DELAY), WRITE_INTERVAL), self._flush)

    def prompt(self, text: str) -> None:
        """Set the text before the line."""
        if text != self._prompt:
            self._prompt = text
            self._app.invalidate()

    def end_input(self) -> None:
        """Accept no more lines, and hide the line."""
        self._input = _InputState.ENDED
        self._app.invalidate()

    def close(self) -> None:
        """Write the remaining rows, and restore the terminal. A line that was not entered is saved in the history."""
        if self._input is _InputState.EDITING:
            self._buffer.append_to_history()
        self._flush()
        self._input = _InputState.CLOSED
        if self._app.is_running:
            self._app.exit()

    def _show_cursor(self, result: T) -> T:
        # Older versions of prompt_toolkit leave the cursor hidden if no line is shown at the end.
        self._output.show_cursor()
        self._output.flush()
        return result

    # Layout.

    def _size(self) -> Size:
        try:
            columns, rows = os.get_terminal_size(self._screen.fileno())
        except OSError:
            # The terminal was closed.
            columns = rows = 0
        # Some terminals report 0.
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
            ConditionalContainer(line, Condition(lambda: self._input is _InputState.EDITING)),
            search,
        ]
        return Layout(HSplit(rows), focused_element=line)

    def _unfinished_text(self) -> StyleAndTextTuples:
        row = self._unfinished
        if not row:
            return []
        return [("", row.mark), ("class:message", row.time), ("", row.text.expandtabs())]

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
        """Write everything to the terminal, and block meanwhile: back-pressure for a server that sends too fast."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._screen.fileno(), rest) :]
            except BlockingIOError:
                # Another program on the same terminal has made it non-blocking.
                select.select([], [self._screen], [])
            except OSError:
                # The terminal was closed, which its input reports as well.
                return

    # Input.

    def _accept(self, buffer: Buffer) -> bool:
        # Ctrl-Q can insert an LF into a line.
        for line in buffer.text.split("\n"):
            self._listener.line_entered(line)
        return False

    def _control_keys(self) -> KeyBindings:
        """Return the bindings of keys that act on the program; keys that edit the line are in L{editing_keys}."""
        bindings = KeyBindings()
        add = bindings.add
        unquoted = Condition(lambda: not self._app.quoted_insert)

        @add("c-c", eager=True, filter=unquoted)
        def interrupt(_: KeyPressEvent) -> None:
            self._listener.interrupted()

        @add("c-d", filter=Condition(lambda: not self._buffer.text) & ~is_searching)
        def end(_: KeyPressEvent) -> None:
            if self._input is _InputState.EDITING:
                self._listener.input_ended()

        @add("c-]", eager=True, filter=unquoted)
        def show_help(_: KeyPressEvent) -> None:
            self._listener.help_requested()

        @add("c-z", eager=True, filter=unquoted)
        def suspend(_: KeyPressEvent) -> None:
            self._suspended = True
            stopped = run_in_terminal(lambda: os.kill(0, signal.SIGTSTP))
            ensure_future(stopped).add_done_callback(lambda _: self._resumed())

        return bindings

    def _resumed(self) -> None:
        self._suspended = False
        self._flush()
