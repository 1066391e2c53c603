"""Metrics made from sample statistics, and the metrics that PromQL expressions select."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping

from attrs import Factory, define
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from echoreply.net.listener import Layer, Listener
from echoreply.observe.statistics import Process, ServerState
from echoreply.observe.totals import Histogram, Totals
from echoreply.web.metrics import Metrics

OPENMETRICS = "application/openmetrics-text;version=1.0.0"

ALL_LISTENERS = (
    Listener((), IPv6Address("TCP", "::", 8088)),
    Listener((Layer.TLS,), IPv6Address("TCP", "::", 8443)),
    Listener((Layer.PROXY, Layer.TLS), IPv4Address("TCP", "127.0.0.1", 8444)),
    Listener((Layer.UDP,), IPv6Address("UDP", "::", 8088)),
    Listener((), UNIXAddress(b"/run/echoreply")),
)
"""A listener of each kind."""


@define
class SampleStatistics:
    """Statistics that a test sets."""

    current_state: ServerState = ServerState.ACCEPTING
    totals: dict[Listener, Totals] = Factory(lambda: {listener: Totals() for listener in ALL_LISTENERS})
    current_processes: list[Process] = Factory(lambda: [Process(0, os.getpid(), Histogram())])

    def state(self) -> ServerState:
        return self.current_state

    def totals_by_listener(self) -> dict[Listener, Totals]:
        return self.totals

    def processes(self) -> list[Process]:
        return self.current_processes


def served(workers: int = 0) -> list[Metric]:
    """Return all metrics of a server with a listener of each kind and a number of workers."""
    processes = [Process(number, os.getpid(), Histogram()) for number in range(workers + 1)]
    text, _ = Metrics(SampleStatistics(current_processes=processes), "twisted", workers > 0).exposition(OPENMETRICS)
    return list(parse_openmetrics(text.decode()))


def labels_of(metrics: Iterable[Metric]) -> dict[str, set[str]]:
    """Return the names of all samples, each with the names of its labels."""
    names: dict[str, set[str]] = {}
    for metric in metrics:
        for sample in metric.samples:
            names.setdefault(sample.name, set()).update(sample.labels)
    return names


_STRING = r'"(?:\\.|[^"\\])*"'
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_WORDS = {"and", "or", "unless", "bool", "by", "without", "on", "ignoring", "group_left", "group_right"}


def asked(expression: str) -> Iterator[tuple[str, set[str]]]:
    """
    Return the metrics that a PromQL expression selects, each with the labels that it uses: those in braces, and those
    that the expression groups by.

    This is no parser. promtool checks the syntax.
    """
    expression = re.sub(_STRING, '""', expression)
    groups = {label for found in _GROUPING.findall(expression) for label in re.findall(r"\w+", found)}
    expression = _GROUPING.sub("", expression)
    for name, matchers in _SELECTOR.findall(expression):
        yield name, groups | set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
    rest = re.sub(r"\[[^]]*\]", "", _SELECTOR.sub("", expression))
    for name in re.findall(r"\b([a-zA-Z_:][\w:]*)\b(?!\s*\()", rest):
        if name not in _WORDS:
            yield name, set(groups)


def unknown(expressions: Iterable[str], names: Mapping[str, set[str]]) -> list[str]:
    """Return the metrics and labels that expressions use and that do not exist."""
    faults = []
    for expression in expressions:
        for name, labels in asked(expression):
            if name not in names:
                faults.append(f"{name} in {expression}")
            elif beside := labels - names[name]:
                faults.append(f"{sorted(beside)} of {name} in {expression}")
    return faults
