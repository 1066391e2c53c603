"""Files that are read again while the server runs."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from echoreply.observe.event import log_event
from echoreply.observe.events import Reloaded, ReloadFailed


@frozen
class Reload:
    """
    Something that was made of files, and can be made of them again, for those who come from now on.

    @ivar what: what that is, as people know it.
    @ivar read_again: does so; raises L{ValueError} if it can't be done, with a text for people, and changes nothing.
    """

    what: str
    read_again: Callable[[], None]

    def attempt(self) -> bool:
        """Read the files again, log what came of it, and tell whether they could be used."""
        try:
            self.read_again()
        except ValueError as error:
            log_event(ReloadFailed(what=self.what, why=str(error)))
            return False
        log_event(Reloaded(what=self.what))
        return True
