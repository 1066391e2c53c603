"""The rules and the dashboard in deploy/, and docs/metrics.md, held against the metrics and run by Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.end_to_end.conftest import Start, on_linux
from tests.support.processes import Server
from tests.support.prometheus_process import SHIPPED, Prometheus, promtool
from tests.support.sample_metrics import labels_of, served, unknown
from tests.support.tls_peers import TLSWire
from tests.support.web_clients import WEB, web_port
from tests.support.wire_contract import PREFIX, exchange

# Other systems have no metrics of processes.
pytestmark = on_linux

DASHBOARD: dict[str, Any] = json.loads((SHIPPED.parent / "grafana" / "echoreply.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}

RULES = (SHIPPED / "echoreply.rules.yml").read_text()

PAGE = (SHIPPED.parents[1] / "docs" / "metrics.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```promql\n(.*?)```", PAGE, re.DOTALL)

FROM_PROMETHEUS = {"job", "instance"}
ITS_OWN = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate", "instance"}}


def known() -> dict[str, set[str]]:
    """Return the metrics that Prometheus has of a server with workers, and their labels."""
    there = labels_of(served(workers=2))
    return ITS_OWN | {name: labels | FROM_PROMETHEUS for name, labels in there.items()}


def filled_in(expression: str) -> str:
    """Return an expression with Grafana's variables filled in."""
    for name, value in {"__rate_interval": "15s", **dict.fromkeys(VARIABLES, ".*")}.items():
        expression = expression.replace(f"${name}", value)
    assert "$" not in expression
    return expression


def drawn() -> Iterator[tuple[str, str]]:
    """Return the expressions of all panels, each with the panel's title."""
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], filled_in(target["expr"])


def expressions_of_rules() -> list[str]:
    """Return the expressions of the rules: one line, or the lines indented below C{>-}."""
    found = re.findall(r"^ +expr: (?:>-\n((?: {10,}.*\n)+)|(.*)\n)", RULES, re.MULTILINE)
    return [folded or plain for folded, plain in found]


def serve(start: Start) -> Server:
    server = start("--tls=0", "--udp=0", WEB)
    exchange(server.dial(), b"hello\n", PREFIX + b"hello\n")
    exchange(partial(TLSWire, "127.0.0.1", server.tls_port()), b"hello\n", PREFIX + b"hello\n")
    return server


def test_promtool_finds_no_fault_in_configuration_and_rules() -> None:
    status, said = promtool("check", "config", "--lint=all", "--lint-fatal", SHIPPED / "prometheus.yml")
    assert status == 0, said
    assert f"{RULES.count('- alert:')} rules found" in said


def test_each_alert_comes_when_it_has_to_and_not_when_it_must_not() -> None:
    status, said = promtool("test", "rules", SHIPPED / "echoreply.rules.test.yml")
    assert status == 0, said


def test_there_is_a_test_for_each_alert_of_it_coming_and_of_it_not_coming() -> None:
    cases = (SHIPPED / "echoreply.rules.test.yml").read_text().split("- alertname: ")[1:]
    tried = {(case.split()[0], "exp_alerts:" in case) for case in cases}
    alerts = re.findall(r"- alert: (\w+)", RULES)
    assert tried == {(alert, comes) for alert in alerts for comes in (True, False)}


def test_each_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    for rule in RULES.split("- alert: ")[1:]:
        assert re.search(r"^ +severity: (warning|critical)$", rule, re.MULTILINE), rule
        assert "summary: " in rule, rule
        assert "description: " in rule, rule


def test_rules_ask_for_what_the_server_serves() -> None:
    expressions = expressions_of_rules()
    assert len(expressions) == RULES.count("- alert:")
    assert unknown(expressions, known()) == []


def test_examples_ask_for_what_the_server_serves() -> None:
    assert EXAMPLES
    assert unknown(EXAMPLES, known()) == []


def test_no_expression_asks_for_a_value_that_a_label_never_has() -> None:
    expressions = [*expressions_of_rules(), *EXAMPLES, *(expression for _, expression in drawn())]
    asked = set(re.findall(r'\b(reason|layer|state|transport|worker)!?="([^"]*)"', " ".join(expressions)))
    there = {item for metric in served(workers=2) for sample in metric.samples for item in sample.labels.items()}
    assert ("reason", "worker") in asked
    assert asked - there == set()


def test_the_page_lists_the_alerts() -> None:
    listed = re.findall(r"^\| `(Echoreply\w+)` \| .* \| (\w+) \|$", PAGE, re.MULTILINE)
    alerts = re.findall(r"- alert: (\w+)\n.*?severity: (\w+)", RULES, re.DOTALL)
    assert sorted(listed) == sorted(alerts)


def test_the_dashboard_asks_for_what_the_server_serves() -> None:
    annotations = [each["expr"] for each in DASHBOARD["annotations"]["list"] if "expr" in each]
    assert unknown([*(expression for _, expression in drawn()), *map(filled_in, annotations)], known()) == []
    listed = [re.fullmatch(r"label_values\((.*), (\w+)\)", each.get("definition", "")) for each in VARIABLES.values()]
    asked = [(found[1], found[2]) for found in listed if found]
    assert [label for _, label in asked] == ["instance", "listener"]
    assert unknown([f"count by ({label}) ({filled_in(what)})" for what, label in asked], known()) == []


def test_the_dashboard_shows_every_metric_that_the_server_serves() -> None:
    text = json.dumps(DASHBOARD)
    names = {re.sub("_(bucket|count|sum)$", "_bucket", name) for name in labels_of(served(workers=2))}
    assert {name for name in names if name not in text} == {"process_virtual_memory_bytes"}


def test_the_dashboard_is_in_order() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))
    cells: list[tuple[int, int]] = []
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells += [(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])]
    assert len(cells) == len(set(cells)), "panels overlap"
    assert max(x for x, _ in cells) < 24
    for panel in PANELS:
        assert panel["title"], panel
        assert panel["description"], panel
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_every_panel_has_something_to_draw_and_every_example_and_every_rule_works(start_as_told: Start) -> None:
    server = serve(start_as_told)
    with Prometheus(web_port(server.log)) as prometheus:
        for _, expression in drawn():
            prometheus.wait_for(expression)
        for example in EXAMPLES:
            prometheus.wait_for(example)
        rules = re.findall(r"- alert: (\w+)", RULES)
        prometheus.wait_until(lambda: prometheus.rules() == dict.fromkeys(rules, "ok"), prometheus.rules)
        assert prometheus.values('ALERTS{alertstate="firing"}') == {}
