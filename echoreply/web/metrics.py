"""
What a server knows of itself, for Prometheus to read. Nothing is done before somebody asks.

Names, units and labels are as U{https://prometheus.io/docs/practices/naming/} has them, and what can happen is there
before it happens, with 0: U{https://prometheus.io/docs/practices/instrumentation/#avoid-missing-metrics}.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

import echoreply
import twisted
from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer, Listener
from echoreply.observe.statistics import Process, ServerState, Statistics
from echoreply.observe.totals import BOUNDS, Histogram, Totals

_OPENMETRICS = "application/openmetrics-text;version=1.0.0"

_OF_PROXIES = RefusalReason.UNTRUSTED

_WHERE = ("listener", "transport")
_BOUNDS = (*map(str, BOUNDS), "+Inf")


class Metrics(Collector):
    """
    The metrics of a server.

    @param statistics: where they come from.
    @param engine: what moves the bytes.
    @param several: whether worker processes serve; if so, what is of one process has its number as a label.
    """

    def __init__(self, statistics: Statistics, engine: str, several: bool) -> None:
        self._statistics = statistics
        self._build = {
            "version": echoreply.__version__,
            "python": platform.python_version(),
            "twisted": twisted.__version__,
            "engine": engine,
        }
        self._several = several
        self._pid = 0
        # One for all processes: each would find out by itself when the system was booted, and not quite agree.
        self._process = ProcessCollector(pid=lambda: self._pid, registry=None)
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """
        Give all of them as they are now.

        @param accept: the request's C{Accept}.
        @return: the text, and its content type: OpenMetrics if that is accepted, or else Prometheus's own format.
        """
        encode, content_type = choose_encoder(format_for(accept))
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Give all of them as they are now."""
        yield InfoMetricFamily("echoreply_build", "What runs here.", self._build)
        yield _state(self._statistics.state())
        yield from _traffic(self._statistics.totals_by_listener())
        processes = self._statistics.processes()
        yield self._lag(processes)
        yield from self._resources(processes)

    def _labels(self, process: Process) -> dict[str, str]:
        return {"worker": str(process.worker or "supervisor")} if self._several else {}

    def _lag(self, processes: Iterable[Process]) -> Metric:
        family = HistogramMetricFamily(
            "echoreply_event_loop_lag_seconds",
            "By how much the event loop was late, looked at ten times a second.",
            labels=["worker"] if self._several else [],
            unit="seconds",
        )
        for process in processes:
            _add_histogram(family, self._labels(process).values(), process.lag)
        return family

    def _resources(self, processes: Iterable[Process]) -> Iterable[Metric]:
        """Give what the system tells of the processes. One that has just ended is left out."""
        families: dict[str, Metric] = {}
        for process in processes:
            self._pid = process.pid
            for metric in self._process.collect():
                family = families.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
                for sample in metric.samples:
                    family.add_sample(sample.name, self._labels(process), sample.value)
        return families.values()


def format_for(accept: str) -> str:
    """Give the one of our two formats that is meant by an C{Accept}, as an C{Accept} that means the same."""
    # In full, the library would say a strange version after whoever asks, or fail.
    return _OPENMETRICS if _OPENMETRICS in accept.replace(" ", "") else ""


def _state(now: ServerState) -> Metric:
    family = GaugeMetricFamily(
        "echoreply_server_state", "Server state: 1 for the current one, 0 for the others.", labels=["state"]
    )
    for state in ServerState:
        family.add_metric([state.value], state is now)
    return family


def _traffic(totals: Mapping[Listener, Totals]) -> Iterable[Metric]:
    """Give what there has been. What only connections have, or only datagrams, has no sample where there are none."""
    opened = GaugeMetricFamily("echoreply_connections_open", "Connections that are open.", labels=_WHERE)
    accepted = CounterMetricFamily(
        "echoreply_connections_accepted", "Connections that were accepted; they are open or have ended.", labels=_WHERE
    )
    ended = CounterMetricFamily(
        "echoreply_connections_ended", "Accepted connections that have ended, by reason.", labels=[*_WHERE, "reason"]
    )
    refused = CounterMetricFamily(
        "echoreply_connections_refused", "Connections that were not accepted, by reason.", labels=[*_WHERE, "reason"]
    )
    failed = CounterMetricFamily(
        "echoreply_connections_failed",
        "Clients that the server could not understand below messages, by the layer.",
        labels=[*_WHERE, "layer"],
    )
    dropped = CounterMetricFamily(
        "echoreply_datagrams_dropped", "Datagrams that were not answered, by reason.", labels=[*_WHERE, "reason"]
    )
    answered = CounterMetricFamily("echoreply_messages_answered", "Messages that were answered.", labels=_WHERE)
    received = CounterMetricFamily("echoreply_received_bytes", "Bytes that were read.", labels=_WHERE, unit="bytes")
    sent = CounterMetricFamily("echoreply_sent_bytes", "Bytes of replies that were sent.", labels=_WHERE, unit="bytes")
    service = HistogramMetricFamily(
        "echoreply_reply_service_seconds",
        "From a complete message to its written reply; of 2,500 reads a second at most.",
        labels=_WHERE,
        unit="seconds",
    )
    for listener, there in _by_address(totals).items():
        where = (listener.name, listener.transport)
        if listener.transport == "udp":
            _add_each(dropped, where, _named(dict.fromkeys(DropReason, 0) | there.drops))
        else:
            behind_proxy = Layer.PROXY in listener.layers
            opened.add_metric(where, there.open)
            accepted.add_metric(where, there.accepted)
            _add_each(ended, where, _named(dict.fromkeys(EndReason, 0) | there.endings))
            refusals = [reason for reason in RefusalReason if behind_proxy or reason is not _OF_PROXIES]
            _add_each(refused, where, _named(dict.fromkeys(refusals, 0) | there.refusals))
            layers = [layer for layer in listener.layers if layer is not Layer.UDP]
            failures = dict.fromkeys(layers, 0) | there.failures
            _add_each(failed, where, {layer.value: count for layer, count in failures.items()})
        answered.add_metric(where, there.messages)
        received.add_metric(where, there.received)
        sent.add_metric(where, there.sent)
        _add_histogram(service, where, there.service)
    return [opened, accepted, ended, refused, failed, dropped, answered, received, sent, service]


def _by_address(totals: Mapping[Listener, Totals]) -> dict[Listener, Totals]:
    """Add up what has one address, as sockets can that systemd passes on: a sample must not be there twice."""
    first: dict[tuple[str, str], Listener] = {}
    added: dict[Listener, Totals] = {}
    for listener, there in totals.items():
        one = first.setdefault((listener.name, listener.transport), listener)
        added[one] = added.get(one, Totals()) + there
    return added


def _named(counts: Mapping[Any, int]) -> dict[str, int]:
    return {reason.label: count for reason, count in counts.items()}


def _add_each(family: CounterMetricFamily, where: Iterable[str], counts: Mapping[str, int]) -> None:
    for name, count in counts.items():
        family.add_metric([*where, name], count)


def _add_histogram(family: HistogramMetricFamily, labels: Iterable[str], histogram: Histogram) -> None:
    buckets = list(zip(_BOUNDS, accumulate(histogram.buckets), strict=True))
    family.add_metric(list(labels), buckets, histogram.seconds)
