"""Reloading files while the server runs: new clients get the new content, or the previous one if it is not valid."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from echoreply.observe.event_logging import log_event
from echoreply.observe.events import Reloaded, ReloadFailed


@frozen
class Reload:
    """
    The reload of one or more files that are used together.

    @ivar what: names them for people, such as C{script FILE}.
    @ivar read_again: reads the files, for clients that connect from now on. If they can't be used, it changes nothing
        and raises L{ValueError} with a text for people.
    """

    what: str
    read_again: Callable[[], None]

    def attempt(self) -> bool:
        """Read the files again, log the result, and return whether they could be used."""
        try:
            self.read_again()
        except ValueError as error:
            log_event(ReloadFailed(what=self.what, why=str(error)))
            return False
        log_event(Reloaded(what=self.what))
        return True
