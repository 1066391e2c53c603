"""The profiles: reply scripts that come with the server. Most of them imitate another server."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

DEFAULT_PROFILE = "seed"

_SUFFIX = ".toml"


@cache
def names() -> tuple[str, ...]:
    """Return the names of all profiles, sorted."""
    found = [entry.name for entry in files(__name__).iterdir()]
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX)))


def text_of(name: str) -> str:
    """
    Return the script of a profile.

    @raise ValueError: there is no such profile. The text lists all profiles.
    """
    if name not in names():
        raise ValueError(f"takes {', '.join(names())}, not {name!r}")
    return files(__name__).joinpath(name + _SUFFIX).read_text(encoding="utf-8")


def summary(name: str) -> str:
    """Return the one-line summary of a profile: the comment in its first line."""
    return text_of(name).partition("\n")[0].removeprefix("# ")
