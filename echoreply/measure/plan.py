"""The parameters of a run, made from the options: its schedule, its connections and its messages."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from attrs import frozen

from echoreply.measure.schedule import ConstantRate, Interval, Schedule, Unlimited

PING_DEPTH = 1000
"""Messages in flight without a load test: enough that slow replies do not delay later messages."""


@frozen
class Plan:
    """
    The parameters of a run.

    @ivar schedule: decides when messages are due.
    @ivar connections: the number of connections.
    @ivar depth: maximum messages in flight per connection.
    @ivar size: bytes in a message, including its LF.
    @ivar prefix: the prefix of replies; C{None} if any reply is correct.
    @ivar duration: seconds after which sending stops; C{None} for the end of the schedule.
    @ivar datagrams: whether each read is a reply.
    @ivar connect_timeout: seconds after which an attempt to connect fails.
    """

    schedule: Schedule
    connections: int
    depth: int
    size: int
    prefix: bytes | None
    duration: float | None
    datagrams: bool
    connect_timeout: float


def make_plan(options: Namespace) -> Plan:
    """Return the plan that the options describe."""
    schedule: Schedule
    if not options.load:
        schedule = Interval(1 / options.interval, options.count)
    elif options.rate is not None:
        schedule = ConstantRate(options.rate, options.count, options.duration)
    else:
        schedule = Unlimited(options.count)
    return Plan(
        schedule=schedule,
        connections=options.connections or 1,
        depth=options.depth or PING_DEPTH,
        size=options.size,
        prefix=options.prefix,
        duration=options.duration,
        datagrams=options.udp,
        connect_timeout=options.connect_timeout,
    )


def settings_of(options: Namespace) -> dict[str, Any]:
    """Return the options that are saved with the result."""
    names = ["size", "count"]
    names += ["connections", "depth", "duration", "rate"] if options.load else ["interval"]
    settings = {name: getattr(options, name) for name in names}
    settings["prefix"] = None if options.any else options.prefix.decode("latin-1")
    settings["transport"] = "tls" if options.tls else "udp" if options.udp else "unix" if options.unix else "tcp"
    if options.connect:
        settings["transport"] = options.connect + (" tls" if options.tls else "")
    return settings
