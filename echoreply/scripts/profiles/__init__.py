"""Reply scripts that come with the server, each of which makes it behave as another one."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

DEFAULT_PROFILE = "seed"

_SUFFIX = ".toml"


@cache
def names() -> tuple[str, ...]:
    """Give the names of all profiles, in order."""
    found = [entry.name for entry in files(__name__).iterdir()]
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX)))


def text_of(name: str) -> str:
    """
    Give the script that a profile is.

    @raise ValueError: there is no such profile.
    """
    if name not in names():
        raise ValueError(f"takes {', '.join(names())}, not {name!r}")
    return files(__name__).joinpath(name + _SUFFIX).read_text(encoding="utf-8")


def summary(name: str) -> str:
    """Give what a profile is, in a line: its first, which is a comment."""
    return text_of(name).partition("\n")[0].removeprefix("# ")
