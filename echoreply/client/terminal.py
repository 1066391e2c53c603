"""A run of the client at a terminal: its line editor, and what the options make of the rest."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from random import SystemRandom

from twisted.internet.task import deferLater

from echoreply.client.backoff import Backoff
from echoreply.client.display import Display
from echoreply.client.editor import HELP_KEY, KEYS, Editor, keys_of
from echoreply.client.history import History, history_path
from echoreply.client.interactive import Interactive, InteractiveOptions, SentLines
from echoreply.client.outcome import Outcome
from echoreply.client.pipes import PERSON_WAITS, STDERR, Say, input_lines
from echoreply.client.transcript import Transcript
from echoreply.connect.run import run_reactor, status_of_signal
from echoreply.connect.target import IClientReactor, connect_target


def run(
    reactor: IClientReactor, options: argparse.Namespace, say: Say, program: str, environment: Mapping[str, str]
) -> Outcome:
    """
    Run the reactor until the client is done, or a signal ends it.

    @param say: says something to a person while there is no editor.
    @param program: whose words those of the editor are.
    @return: how it ended, as L{session.run <echoreply.client.pipes.run>} gives it.
    """

    def report(words: str) -> None:
        """Say something that went wrong, wherever it can be seen."""
        if conversation:
            conversation.say(words)
        else:
            say(words)

    conversation: Interactive | None = None
    try:
        transcript = Transcript(options.transcript, report) if options.transcript else None
    except OSError as error:
        return Outcome(2, f"--transcript: {options.transcript}: {os.strerror(error.errno or 0).lower()}")
    try:
        there = connect_target(reactor, options)
    except ValueError as mistake:
        return Outcome(2, str(mistake))
    if options.insecure:
        say("--insecure: nobody checks whose certificate the server has")
    history = History(None if options.no_history else history_path(environment), report)
    colour = not environment.get("NO_COLOR")
    term = environment.get("TERM", "")
    editor = Editor(reactor, keys_of(sys.stdin), sys.stdout, term, history, colour=colour)
    interactive_options = InteractiveOptions(
        lines=lambda: input_lines(options, SentLines),
        eol=options.eol,
        datagrams=options.udp,
        wait=options.wait or PERSON_WAITS,
        connect_timeout=options.connect_timeout,
        backoff=Backoff(SystemRandom()) if options.retry else None,
        transcript=transcript,
        hint=f"type lines to send them; quit or Ctrl-D leaves, {HELP_KEY} helps",
        keys=KEYS,
    )
    display = Display(program, colour=colour, dump=options.hex, times=options.time, raw=options.raw)
    conversation = Interactive(reactor, there, interactive_options, display, editor)

    async def main() -> int:
        # Until the reactor's event loop runs.
        await deferLater(reactor, 0)
        edited = editor.run(conversation, conversation.begin)
        edited.addErrback(lambda _: conversation.end(Outcome(1, "the terminal is gone")))
        outcome = await conversation.done
        if outcome.words and os.isatty(STDERR):
            # In the colour of the editor's own words.
            conversation.say(outcome.words)
        elif outcome.words:
            words.append(outcome.words)
        editor.close()
        await edited
        return outcome.status

    def interrupt(number: int) -> None:
        conversation.end(Outcome(status_of_signal(number)))

    words: list[str] = []
    status = run_reactor(reactor, main, interrupt)
    return Outcome(status, "".join(words))
