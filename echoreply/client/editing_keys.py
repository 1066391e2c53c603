"""The keys of the line editor that edit the line, where they differ from prompt_toolkit's own."""

from __future__ import annotations

import re

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition, is_searching
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.search import accept_search
from wcwidth import grapheme_boundary_before, iter_graphemes


def editing_keys(line: Buffer) -> KeyBindings:
    """Return the bindings of keys that edit a line, enter it, or paste into it."""
    bindings = KeyBindings()
    add = bindings.add

    @add("enter", filter=is_searching)
    def enter_found_line(_: KeyPressEvent) -> None:
        accept_search()
        line.validate_and_handle()

    @add(Keys.BracketedPaste)
    def paste(event: KeyPressEvent) -> None:
        accept_search()
        *lines, rest = re.split("\r\n|\r|\n", event.data)
        for pasted in lines:
            line.insert_text(pasted)
            line.validate_and_handle()
        line.insert_text(rest)

    @add("tab")
    def insert_tab(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\t")

    # These move by graphemes: one visible character may be several code points.

    @add("left")
    @add("c-b")
    def move_left(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        for _ in range(event.arg):
            buffer.cursor_position -= _length_before(buffer)

    @add("right")
    @add("c-f")
    def move_right(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        for _ in range(event.arg):
            buffer.cursor_position += _length_after(buffer)

    @add("backspace")
    def delete_before(event: KeyPressEvent) -> None:
        for _ in range(event.arg):
            event.current_buffer.delete_before_cursor(_length_before(event.current_buffer))

    @add("delete")
    @add("c-d", filter=Condition(lambda: bool(line.text)))
    def delete_after(event: KeyPressEvent) -> None:
        for _ in range(event.arg):
            event.current_buffer.delete(_length_after(event.current_buffer))

    return bindings


def _length_before(buffer: Buffer) -> int:
    """Return the number of code points in the grapheme before the cursor."""
    at = buffer.cursor_position
    return at - grapheme_boundary_before(buffer.text, at) if at else 0


def _length_after(buffer: Buffer) -> int:
    """Return the number of code points in the grapheme at the cursor."""
    return len(next(iter_graphemes(buffer.text[buffer.cursor_position :]), ""))
