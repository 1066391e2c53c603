"""The client at a terminal: it makes the line editor and the interactive client from the options, and runs them."""

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
from echoreply.client.editor_link import SentLines
from echoreply.client.history import History, history_path
from echoreply.client.interactive import Interactive, InteractiveOptions
from echoreply.client.outcome import Outcome
from echoreply.client.pipes import STDERR, TERMINAL_WAIT, Say, input_lines
from echoreply.client.transcript import Transcript
from echoreply.connect.failures import INSECURE
from echoreply.connect.run import run_reactor, status_of_signal
from echoreply.connect.target import IClientReactor, connect_target
from echoreply.core.parsing import printable


def run(
    reactor: IClientReactor, options: argparse.Namespace, say: Say, program: str, environment: Mapping[str, str]
) -> Outcome:
    """
    Run the reactor until the client has ended, or a signal ends it.

    @param say: shows a message to the user as long as there is no editor.
    @param program: the program's name, which precedes messages.
    @param environment: the environment variables: C{TERM}, C{NO_COLOR}, C{XDG_STATE_HOME}, C{HOME}.
    @return: the outcome; after a signal its status is 128 plus the signal's number, and it has no message.
    """

    def report(message: str) -> None:
        """Show a message, in the editor if there is one."""
        if interactive:
            interactive.say(message)
        else:
            say(message)

    interactive: Interactive | None = None
    try:
        transcript = Transcript(options.transcript, report) if options.transcript else None
    except OSError as error:
        return Outcome(2, f"--transcript: {printable(options.transcript)}: {os.strerror(error.errno or 0).lower()}")
    try:
        target = connect_target(reactor, options)
    except ValueError as mistake:
        return Outcome(2, str(mistake))
    if options.insecure:
        say(INSECURE)
    history = History(None if options.no_history else history_path(environment), report)
    colour = not environment.get("NO_COLOR")
    term = environment.get("TERM", "")
    editor = Editor(reactor, keys_of(sys.stdin), sys.stdout, term, history, colour=colour)
    interactive_options = InteractiveOptions(
        lines=lambda: input_lines(options, SentLines),
        eol=options.eol,
        datagrams=options.udp,
        wait=options.wait or TERMINAL_WAIT,
        connect_timeout=options.connect_timeout,
        backoff=Backoff(SystemRandom()) if options.retry else None,
        transcript=transcript,
        hint=f"type lines to send; quit or Ctrl-D exits, {HELP_KEY} shows help",
        keys=KEYS,
    )
    display = Display(program, colour=colour, dump=options.hex, times=options.time, raw=options.raw)
    interactive = Interactive(reactor, target, interactive_options, display, editor)

    async def main() -> int:
        # The editor needs the running event loop.
        await deferLater(reactor, 0)
        edited = editor.run(interactive, interactive.start)
        edited.addErrback(lambda _: interactive.end(Outcome(1, "the terminal was closed")))
        outcome = await interactive.done
        if outcome.message and os.isatty(STDERR):
            # Shown in the colour of the editor's messages.
            interactive.say(outcome.message)
        elif outcome.message:
            messages.append(outcome.message)
        editor.close()
        await edited
        return outcome.status

    def interrupt(number: int) -> None:
        interactive.end(Outcome(status_of_signal(number)))

    messages: list[str] = []
    status = run_reactor(reactor, main, interrupt)
    return Outcome(status, "".join(messages))
