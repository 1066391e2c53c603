"""The metrics, in the formats that Prometheus reads."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from unittest import skipUnless

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

import echoreply
import twisted
from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer, Listener
from echoreply.observe.statistics import Process, ServerState
from echoreply.observe.totals import BOUNDS, Histogram, Totals
from echoreply.web.metrics import Metrics
from tests.support.sample_metrics import ALL_LISTENERS, OPENMETRICS, SampleStatistics, asked, labels_of, served

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")

EXPECTED = """\
# HELP echoreply_build_info Versions of the server, Python and Twisted, and the I/O engine.
# TYPE echoreply_build_info gauge
echoreply_build_info{engine="uvloop",python="PYTHON",twisted="TWISTED",version="VERSION"} 1.0
# HELP echoreply_server_state Server state: 1 for the current one, 0 for the others.
# TYPE echoreply_server_state gauge
echoreply_server_state{state="starting"} 0.0
echoreply_server_state{state="accepting"} 0.0
echoreply_server_state{state="full"} 1.0
echoreply_server_state{state="draining"} 0.0
# HELP echoreply_connections_open Open connections.
# TYPE echoreply_connections_open gauge
echoreply_connections_open{listener="10.0.0.1:8443",transport="tls"} 6.0
# HELP echoreply_connections_accepted_total Accepted connections, open ones and ended ones.
# TYPE echoreply_connections_accepted_total counter
echoreply_connections_accepted_total{listener="10.0.0.1:8443",transport="tls"} 9.0
# HELP echoreply_connections_ended_total Accepted connections that have ended, by reason.
# TYPE echoreply_connections_ended_total counter
echoreply_connections_ended_total{listener="10.0.0.1:8443",reason="client",transport="tls"} 2.0
echoreply_connections_ended_total{listener="10.0.0.1:8443",reason="close_word",transport="tls"} 0.0
echoreply_connections_ended_total{listener="10.0.0.1:8443",reason="rule",transport="tls"} 0.0
echoreply_connections_ended_total{listener="10.0.0.1:8443",reason="too_long",transport="tls"} 0.0
echoreply_connections_ended_total{listener="10.0.0.1:8443",reason="idle",transport="tls"} 1.0
echoreply_connections_ended_total{listener="10.0.0.1:8443",reason="shutdown",transport="tls"} 0.0
echoreply_connections_ended_total{listener="10.0.0.1:8443",reason="aborted",transport="tls"} 0.0
echoreply_connections_ended_total{listener="10.0.0.1:8443",reason="reset",transport="tls"} 0.0
echoreply_connections_ended_total{listener="10.0.0.1:8443",reason="worker",transport="tls"} 0.0
# HELP echoreply_connections_refused_total Refused connections, by reason.
# TYPE echoreply_connections_refused_total counter
echoreply_connections_refused_total{listener="10.0.0.1:8443",reason="too_many",transport="tls"} 4.0
echoreply_connections_refused_total{listener="10.0.0.1:8443",reason="too_many_from_host",transport="tls"} 0.0
echoreply_connections_refused_total{listener="10.0.0.1:8443",reason="denied",transport="tls"} 0.0
# HELP echoreply_connections_failed_total TLS and PROXY failures, by layer.
# TYPE echoreply_connections_failed_total counter
echoreply_connections_failed_total{layer="TLS",listener="10.0.0.1:8443",transport="tls"} 5.0
# HELP echoreply_datagrams_dropped_total Datagrams that were not answered, by reason.
# TYPE echoreply_datagrams_dropped_total counter
# HELP echoreply_messages_answered_total Answered messages.
# TYPE echoreply_messages_answered_total counter
echoreply_messages_answered_total{listener="10.0.0.1:8443",transport="tls"} 3.0
# HELP echoreply_received_bytes_total Bytes read.
# TYPE echoreply_received_bytes_total counter
echoreply_received_bytes_total{listener="10.0.0.1:8443",transport="tls"} 20.0
# HELP echoreply_sent_bytes_total Bytes of replies sent.
# TYPE echoreply_sent_bytes_total counter
echoreply_sent_bytes_total{listener="10.0.0.1:8443",transport="tls"} 56.0
# HELP echoreply_reply_service_seconds From a complete message to its written reply, of at most 2,500 reads a second.
# TYPE echoreply_reply_service_seconds histogram
echoreply_reply_service_seconds_bucket{le="1e-05",listener="10.0.0.1:8443",transport="tls"} 0.0
echoreply_reply_service_seconds_bucket{le="2.5e-05",listener="10.0.0.1:8443",transport="tls"} 0.0
echoreply_reply_service_seconds_bucket{le="5e-05",listener="10.0.0.1:8443",transport="tls"} 0.0
echoreply_reply_service_seconds_bucket{le="0.0001",listener="10.0.0.1:8443",transport="tls"} 0.0
echoreply_reply_service_seconds_bucket{le="0.00025",listener="10.0.0.1:8443",transport="tls"} 0.0
echoreply_reply_service_seconds_bucket{le="0.0005",listener="10.0.0.1:8443",transport="tls"} 2.0
echoreply_reply_service_seconds_bucket{le="0.001",listener="10.0.0.1:8443",transport="tls"} 2.0
echoreply_reply_service_seconds_bucket{le="0.0025",listener="10.0.0.1:8443",transport="tls"} 2.0
echoreply_reply_service_seconds_bucket{le="0.005",listener="10.0.0.1:8443",transport="tls"} 2.0
echoreply_reply_service_seconds_bucket{le="0.01",listener="10.0.0.1:8443",transport="tls"} 2.0
echoreply_reply_service_seconds_bucket{le="0.025",listener="10.0.0.1:8443",transport="tls"} 2.0
echoreply_reply_service_seconds_bucket{le="0.05",listener="10.0.0.1:8443",transport="tls"} 2.0
echoreply_reply_service_seconds_bucket{le="0.1",listener="10.0.0.1:8443",transport="tls"} 2.0
echoreply_reply_service_seconds_bucket{le="0.25",listener="10.0.0.1:8443",transport="tls"} 2.0
echoreply_reply_service_seconds_bucket{le="0.5",listener="10.0.0.1:8443",transport="tls"} 2.0
echoreply_reply_service_seconds_bucket{le="1.0",listener="10.0.0.1:8443",transport="tls"} 2.0
echoreply_reply_service_seconds_bucket{le="2.5",listener="10.0.0.1:8443",transport="tls"} 2.0
echoreply_reply_service_seconds_bucket{le="5.0",listener="10.0.0.1:8443",transport="tls"} 2.0
echoreply_reply_service_seconds_bucket{le="10.0",listener="10.0.0.1:8443",transport="tls"} 2.0
echoreply_reply_service_seconds_bucket{le="+Inf",listener="10.0.0.1:8443",transport="tls"} 3.0
echoreply_reply_service_seconds_count{listener="10.0.0.1:8443",transport="tls"} 3.0
echoreply_reply_service_seconds_sum{listener="10.0.0.1:8443",transport="tls"} 12.001
# HELP echoreply_event_loop_lag_seconds How late the event loop was, measured ten times a second.
# TYPE echoreply_event_loop_lag_seconds histogram
"""


def histogram(*observations: tuple[float, int]) -> Histogram:
    made = Histogram()
    for seconds, times in observations:
        made.observe(seconds, times)
    return made


def metrics_of(statistics: SampleStatistics, several: bool = False) -> dict[str, Metric]:
    text, _ = Metrics(statistics, "twisted", several).exposition()
    return {metric.name: metric for metric in parse(text.decode())}


def values(metric: Metric, label: str) -> dict[str, float]:
    return {sample.labels[label]: sample.value for sample in metric.samples}


class ExpositionTests(SynchronousTestCase):
    def test_the_exposition_is_exactly_this(self) -> None:
        totals = Totals(
            accepted=9,
            refusals=Counter({RefusalReason.TOO_MANY: 4}),
            failures=Counter({Layer.TLS: 5}),
            endings=Counter({EndReason.CLIENT: 2, EndReason.IDLE: 1}),
            messages=3,
            received=20,
            sent=56,
            service=histogram((0.0005, 2), (12.0, 1)),
        )
        there = {Listener((Layer.TLS,), IPv4Address("TCP", "10.0.0.1", 8443)): totals}
        text, content_type = Metrics(SampleStatistics(ServerState.FULL, there, []), "uvloop", False).exposition(
            "text/html, */*"
        )
        expected = EXPECTED.replace("PYTHON", platform.python_version())
        expected = expected.replace("TWISTED", twisted.__version__).replace("VERSION", echoreply.__version__)
        self.assertEqual(text.decode(), expected)
        self.assertEqual(content_type, "text/plain; version=0.0.4; charset=utf-8")

    def test_the_format_is_openmetrics_if_the_client_accepts_it(self) -> None:
        accept = f"{OPENMETRICS},text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
        text, content_type = Metrics(SampleStatistics(), "twisted", False).exposition(accept)
        self.assertTrue(content_type.startswith("application/openmetrics-text; version=1.0.0; charset=utf-8"))
        self.assertTrue(text.endswith(b"# EOF\n"))
        units = {metric.name: metric.unit for metric in parse_openmetrics(text.decode())}
        self.assertEqual(
            {name: unit for name, unit in units.items() if unit},
            {
                "echoreply_received_bytes": "bytes",
                "echoreply_sent_bytes": "bytes",
                "echoreply_reply_service_seconds": "seconds",
                "echoreply_event_loop_lag_seconds": "seconds",
            },
        )

    def test_an_invalid_accept_header_gets_the_text_format(self) -> None:
        strange = ["application/openmetrics-text;version=x", "application/openmetrics-text;version=9.9.9", ";;,="]
        strange += ["text/plain;version=1.\x80", "application/openmetrics-text;version=\u0661.0.0", "text/html"]
        for accept in strange:
            _, content_type = Metrics(SampleStatistics(), "twisted", False).exposition(accept)
            self.assertEqual(content_type, "text/plain; version=0.0.4; charset=utf-8")

    def test_any_name_of_a_unix_socket_is_escaped(self) -> None:
        listener = Listener((), UNIXAddress(b'/run/a "b"\\\n\xff,c}'))
        statistics = SampleStatistics(totals={listener: Totals(messages=3)})
        for text in (Metrics(statistics, "twisted", False).exposition(accept)[0] for accept in ("", OPENMETRICS)):
            found = {
                metric.name: metric for metric in (parse_openmetrics if b"# EOF" in text else parse)(text.decode())
            }
            self.assertEqual(values(found["echoreply_messages_answered"], "listener"), {listener.name: 3})

    def test_listeners_that_share_an_address_are_added_up(self) -> None:
        address = IPv4Address("TCP", "192.0.2.1", 8088)
        there = {Listener((), address): Totals(accepted=2, messages=3), Listener((), address): Totals(messages=4)}
        text, _ = Metrics(SampleStatistics(totals=there, current_processes=[]), "twisted", False).exposition()
        lines = [line.rpartition(" ")[0] for line in text.decode().splitlines() if not line.startswith("#")]
        self.assertEqual(len(lines), len(set(lines)))
        self.assertIn(b'echoreply_messages_answered_total{listener="192.0.2.1:8088",transport="tcp"} 7.0\n', text)

    def test_both_formats_have_the_same_samples(self) -> None:
        metrics = Metrics(SampleStatistics(current_processes=[]), "twisted", False)
        plain, _ = metrics.exposition()
        rich, _ = metrics.exposition(OPENMETRICS)

        def samples(found: Iterable[Metric]) -> list[tuple[object, ...]]:
            return [tuple(sample[:3]) for metric in found for sample in metric.samples]

        self.assertEqual(samples(parse(plain.decode())), samples(parse_openmetrics(rich.decode())))

    def test_metrics_are_collected_at_each_request(self) -> None:
        statistics = SampleStatistics(ServerState.STARTING)
        metrics = Metrics(statistics, "twisted", False)
        self.assertIn(b'echoreply_server_state{state="starting"} 1.0\n', metrics.exposition()[0])
        statistics.current_state = ServerState.DRAINING
        self.assertIn(b'echoreply_server_state{state="starting"} 0.0\n', metrics.exposition()[0])
        self.assertIn(b'echoreply_server_state{state="draining"} 1.0\n', metrics.exposition()[0])


class WhatIsThereFromTheStartTests(SynchronousTestCase):
    def test_each_listener_has_samples_for_exactly_its_possible_reasons(self) -> None:
        found = metrics_of(SampleStatistics())
        expected = {
            "echoreply_connections_ended": ["tcp", "tls", "tls", "unix"],
            "echoreply_datagrams_dropped": ["udp"],
            "echoreply_connections_failed": ["tls", "tls"],
        }
        for name, transports in expected.items():
            listeners = {(sample.labels["listener"], sample.labels["transport"]) for sample in found[name].samples}
            self.assertEqual(sorted(transport for _, transport in listeners), transports)
        proxied = [s.labels for s in found["echoreply_connections_failed"].samples if s.labels["layer"] == "PROXY"]
        self.assertEqual(proxied, [{"listener": "127.0.0.1:8444", "transport": "tls", "layer": "PROXY"}])

    def test_every_reason_of_connections_has_a_sample(self) -> None:
        found = metrics_of(SampleStatistics())
        ended = set(values(found["echoreply_connections_ended"], "reason"))
        refused = set(values(found["echoreply_connections_refused"], "reason"))
        self.assertEqual(ended & refused, set())
        self.assertEqual(ended, {reason.label for reason in EndReason})
        self.assertEqual(refused, {reason.label for reason in RefusalReason})
        dropped = values(found["echoreply_datagrams_dropped"], "reason")
        self.assertEqual(dropped, {reason.label: 0 for reason in DropReason})

    def test_only_listeners_for_proxies_count_untrusted_proxies(self) -> None:
        refused = metrics_of(SampleStatistics())["echoreply_connections_refused"].samples
        where = [s.labels["listener"] for s in refused if s.labels["reason"] == RefusalReason.UNTRUSTED.label]
        self.assertEqual(where, ["127.0.0.1:8444"])

    def test_common_metrics_have_samples_of_tcp_and_udp_listeners(self) -> None:
        found = metrics_of(SampleStatistics())
        for name in ("echoreply_messages_answered", "echoreply_received_bytes", "echoreply_sent_bytes"):
            self.assertEqual(set(values(found[name], "listener")), {listener.name for listener in ALL_LISTENERS})
        self.assertNotIn("udp", values(found["echoreply_connections_open"], "transport"))

    def test_an_unexpected_reason_has_a_sample_too(self) -> None:
        listener = ALL_LISTENERS[0]
        totals = Totals(refusals=Counter({RefusalReason.UNTRUSTED: 2}), failures=Counter({Layer.TLS: 3}))
        found = metrics_of(SampleStatistics(totals={listener: totals}))
        self.assertEqual(values(found["echoreply_connections_refused"], "reason")["untrusted"], 2)
        self.assertEqual(values(found["echoreply_connections_failed"], "layer"), {"TLS": 3})


class ProcessTests(SynchronousTestCase):
    def test_a_single_process_has_no_worker_label(self) -> None:
        lag = metrics_of(SampleStatistics())["echoreply_event_loop_lag_seconds"]
        self.assertEqual({tuple(sample.labels) for sample in lag.samples}, {("le",), ()})

    def test_several_processes_have_worker_labels(self) -> None:
        processes = [Process(n, os.getpid(), histogram((0.003, n))) for n in (0, 1, 2)]
        lag = metrics_of(SampleStatistics(current_processes=processes), several=True)[
            "echoreply_event_loop_lag_seconds"
        ]
        counts = {s.labels["worker"]: s.value for s in lag.samples if s.name.endswith("_count")}
        self.assertEqual(counts, {"supervisor": 0, "1": 1, "2": 2})

    def test_histogram_buckets_are_cumulative(self) -> None:
        made = histogram((0.0, 1), (0.1, 2), (0.2, 3), (60.0, 4))
        lag = metrics_of(SampleStatistics(current_processes=[Process(0, os.getpid(), made)]))[
            "echoreply_event_loop_lag_seconds"
        ]
        buckets = {float(s.labels["le"]): s.value for s in lag.samples if s.name.endswith("_bucket")}
        expected = {bound: sum((bound >= 0, 2 * (bound >= 0.1), 3 * (bound >= 0.2))) for bound in BOUNDS}
        self.assertEqual(buckets, {**expected, float("inf"): 10})

    @skipUnless(sys.platform == "linux", "prometheus_client knows processes of Linux only")
    def test_each_process_has_system_metrics(self) -> None:
        processes = [Process(0, os.getpid(), Histogram()), Process(7, os.getppid(), Histogram())]
        found = metrics_of(SampleStatistics(current_processes=processes), several=True)
        for name in ("resident_memory_bytes", "virtual_memory_bytes", "start_time_seconds", "open_fds", "max_fds"):
            self.assertEqual(set(values(found[f"process_{name}"], "worker")), {"supervisor", "7"})
        self.assertGreater(values(found["process_cpu_seconds"], "worker")["supervisor"], 0)

    @skipUnless(sys.platform == "linux", "prometheus_client knows processes of Linux only")
    def test_a_process_that_has_just_ended_is_left_out(self) -> None:
        ended = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
        os.waitpid(ended, 0)
        processes = [Process(0, os.getpid(), Histogram()), Process(1, ended, Histogram())]
        found = metrics_of(SampleStatistics(current_processes=processes), several=True)
        self.assertEqual(set(values(found["process_open_fds"], "worker")), {"supervisor"})


class ExpressionTests(SynchronousTestCase):
    """The helpers that read PromQL expressions."""

    def test_the_metrics_of_an_expression_are_found(self) -> None:
        expression = (
            'sum by (job, le) (rate(a_total{x="b{c}", y!~"d"}[5m])) / on (job) group_left () e > bool 0.5 and f'
        )
        self.assertEqual(
            list(asked(expression)), [("a_total", {"x", "y", "job", "le"}), ("e", {"job", "le"}), ("f", {"job", "le"})]
        )

    def test_served_metrics_have_their_labels(self) -> None:
        names = labels_of(served(workers=2))
        self.assertEqual(names["echoreply_connections_ended_total"], {"listener", "transport", "reason"})
        self.assertEqual(names["echoreply_event_loop_lag_seconds_bucket"], {"worker", "le"})
        self.assertIsNone(re.search("[A-Z]", "".join(names)))


class PageTests(SynchronousTestCase):
    """docs/metrics.md."""

    def test_the_page_lists_all_metrics(self) -> None:
        rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
        listed = {name: (kind, set(re.findall("`(.*?)`", labels)), what) for name, kind, labels, what in rows}
        endings = {"counter": "_total", "info": "_info"}
        there = {
            metric.name + endings.get(metric.type, ""): (
                metric.type,
                {label for sample in metric.samples for label in sample.labels} - {"le"},
                metric.documentation,
            )
            for metric in served(workers=2)
        }
        if sys.platform != "linux":
            listed = {name: row for name, row in listed.items() if not name.startswith("process_")}
        self.assertEqual(listed, there)

    def test_the_page_lists_all_values_of_labels(self) -> None:
        rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE))
        found = {metric.name: metric for metric in served(workers=2)}
        for name in ("echoreply_connections_ended", "echoreply_connections_refused"):
            listed = re.findall("`(.*?)`", rows[f"{name}_total"])
            self.assertEqual(set(listed), set(values(found[name], "reason")))
        for label, name in {
            "transport": "echoreply_messages_answered",
            "state": "echoreply_server_state",
            "layer": "echoreply_connections_failed",
        }.items():
            self.assertEqual(set(values(found[name], label)) - set(re.findall("`(.*?)`", rows[label])), set())
