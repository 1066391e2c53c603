"""
The server's metrics, in the formats that Prometheus reads. They are collected at each request.

Names, units and labels follow U{https://prometheus.io/docs/practices/naming/}. Every label value that can occur has a
sample of 0 from the start: U{https://prometheus.io/docs/practices/instrumentation/#avoid-missing-metrics}.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

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
from echoreply.core.labelled import by_label
from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer, Listener
from echoreply.observe.statistics import Process, ServerState, Statistics
from echoreply.observe.totals import BOUNDS, Histogram, Totals

_OPENMETRICS = "application/openmetrics-text;version=1.0.0"

_PROXY_REASON = RefusalReason.UNTRUSTED
"""The reason that occurs only on listeners for proxies."""

_LISTENER_LABELS = ("listener", "transport")
_BOUNDS = (*map(str, BOUNDS), "+Inf")


class Metrics(Collector):
    """
    The metrics of a server.

    @param statistics: the source of the metrics.
    @param engine: the name of the I/O engine.
    @param several: whether there are worker processes. Metrics of one process then have the label C{worker}.
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
        # One collector for all processes: each would compute the system's boot time, with slightly different results.
        self._process = ProcessCollector(pid=lambda: self._pid, registry=None)
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """
        Return all metrics as text, and its content type.

        @param accept: the request's C{Accept}. The text is OpenMetrics if it is accepted, else Prometheus's own format.
        """
        encode, content_type = choose_encoder(format_for(accept))
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics. Called by L{CollectorRegistry}."""
        yield InfoMetricFamily(
            "echoreply_build", "Versions of the server, Python and Twisted, and the I/O engine.", self._build
        )
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
            "How late the event loop was, measured ten times a second.",
            labels=["worker"] if self._several else [],
            unit="seconds",
        )
        for process in processes:
            _add_histogram(family, self._labels(process).values(), process.lag)
        return family

    def _resources(self, processes: Iterable[Process]) -> Iterable[Metric]:
        """Return the operating system's metrics of the processes, except for one that has just ended."""
        families: dict[str, Metric] = {}
        for process in processes:
            self._pid = process.pid
            for metric in self._process.collect():
                family = families.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
                for sample in metric.samples:
                    family.add_sample(sample.name, self._labels(process), sample.value)
        return families.values()


def format_for(accept: str) -> str:
    """Return an C{Accept} for OpenMetrics if the client's C{Accept} includes it, else one for the text format."""
    # With the client's own, the library would fail for some values, and repeat an unknown version of others.
    return _OPENMETRICS if _OPENMETRICS in accept.replace(" ", "") else ""


def _state(now: ServerState) -> Metric:
    family = GaugeMetricFamily(
        "echoreply_server_state", "Server state: 1 for the current one, 0 for the others.", labels=["state"]
    )
    for state in ServerState:
        family.add_metric([state.value], state is now)
    return family


def _traffic(totals: Mapping[Listener, Totals]) -> Iterable[Metric]:
    """Return the metrics of the listeners. UDP listeners have no samples for connections, others none for datagrams."""
    opened = GaugeMetricFamily("echoreply_connections_open", "Open connections.", labels=_LISTENER_LABELS)
    accepted = CounterMetricFamily(
        "echoreply_connections_accepted", "Accepted connections, open ones and ended ones.", labels=_LISTENER_LABELS
    )
    ended = CounterMetricFamily(
        "echoreply_connections_ended",
        "Accepted connections that have ended, by reason.",
        labels=[*_LISTENER_LABELS, "reason"],
    )
    refused = CounterMetricFamily(
        "echoreply_connections_refused", "Refused connections, by reason.", labels=[*_LISTENER_LABELS, "reason"]
    )
    failed = CounterMetricFamily(
        "echoreply_connections_failed",
        "TLS and PROXY failures, by layer.",
        labels=[*_LISTENER_LABELS, "layer"],
    )
    dropped = CounterMetricFamily(
        "echoreply_datagrams_dropped",
        "Datagrams that were not answered, by reason.",
        labels=[*_LISTENER_LABELS, "reason"],
    )
    answered = CounterMetricFamily("echoreply_messages_answered", "Answered messages.", labels=_LISTENER_LABELS)
    received = CounterMetricFamily("echoreply_received_bytes", "Bytes read.", labels=_LISTENER_LABELS, unit="bytes")
    sent = CounterMetricFamily("echoreply_sent_bytes", "Bytes of replies sent.", labels=_LISTENER_LABELS, unit="bytes")
    service = HistogramMetricFamily(
        "echoreply_reply_service_seconds",
        "From a complete message to its written reply, of at most 2,500 reads a second.",
        labels=_LISTENER_LABELS,
        unit="seconds",
    )
    for listener, counted in _by_address(totals).items():
        labels = (listener.name, listener.transport)
        if listener.transport == "udp":
            _add_each(dropped, labels, by_label(dict.fromkeys(DropReason, 0) | counted.drops))
        else:
            behind_proxy = Layer.PROXY in listener.layers
            opened.add_metric(labels, counted.open)
            accepted.add_metric(labels, counted.accepted)
            _add_each(ended, labels, by_label(dict.fromkeys(EndReason, 0) | counted.endings))
            refusals = [reason for reason in RefusalReason if behind_proxy or reason is not _PROXY_REASON]
            _add_each(refused, labels, by_label(dict.fromkeys(refusals, 0) | counted.refusals))
            layers = [layer for layer in listener.layers if layer is not Layer.UDP]
            failures = dict.fromkeys(layers, 0) | counted.failures
            _add_each(failed, labels, by_label(failures))
        answered.add_metric(labels, counted.messages)
        received.add_metric(labels, counted.received)
        sent.add_metric(labels, counted.sent)
        _add_histogram(service, labels, counted.service)
    return [opened, accepted, ended, refused, failed, dropped, answered, received, sent, service]


def _by_address(totals: Mapping[Listener, Totals]) -> dict[Listener, Totals]:
    """Add up listeners that share an address, as sockets from systemd can: samples must not be duplicates."""
    first: dict[tuple[str, str], Listener] = {}
    added: dict[Listener, Totals] = {}
    for listener, counted in totals.items():
        one = first.setdefault((listener.name, listener.transport), listener)
        added[one] = added.get(one, Totals()) + counted
    return added


def _add_each(family: CounterMetricFamily, labels: Iterable[str], counts: Mapping[str, int]) -> None:
    for name, count in counts.items():
        family.add_metric([*labels, name], count)


def _add_histogram(family: HistogramMetricFamily, labels: Iterable[str], histogram: Histogram) -> None:
    buckets = list(zip(_BOUNDS, accumulate(histogram.buckets), strict=True))
    family.add_metric(list(labels), buckets, histogram.seconds)
