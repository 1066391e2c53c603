"""The limit on open files of this process, and the number of connections that it allows."""

from __future__ import annotations

try:
    import resource
except ImportError:  # pragma: no cover  # Windows
    resource = None  # type: ignore[assignment]

RESERVE = 64
"""Descriptors reserved for anything but accepted clients: files, the reactor, refused clients."""

MAX_WEB_CONNECTIONS = 150
"""Maximum connections of the monitoring site. Their descriptors are reserved if it is served."""

SELECTABLE = 1024
"""Number of descriptors that select(2) can wait for: FD_SETSIZE."""

_OPEN_MAX = 10240
"""The highest limit that macOS accepts where it reports none: setrlimit(2) there, under COMPATIBILITY."""


def set_limit(*wanted: int) -> tuple[int, int] | None:
    """
    Set this process's limit on open files: getrlimit(2), RLIMIT_NOFILE.

    @param wanted: limits to try, the best first; without one, the limit is raised as far as the system allows.
    @return: the limit before, and the limit now; C{None} if there is none.
    """
    if resource is None:  # pragma: no cover  # Windows
        return None
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (*wanted, hard, max(before, _OPEN_MAX)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        except (OSError, ValueError):
            continue
        break
    now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if now == resource.RLIM_INFINITY else (before, now)


def max_connections_for(limit: int, reserved: int = 0) -> int:
    """
    Return the number of connections that a limit on open files allows.

    @param reserved: descriptors for connections of another kind, such as those of the monitoring site.
    """
    return max(limit - RESERVE - reserved, limit // 2)
