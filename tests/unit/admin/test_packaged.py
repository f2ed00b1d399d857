"""The dashboard and the alerts name metrics that there are, and the documentation names every alert."""

from __future__ import annotations

from itertools import combinations

from supervisor.admin.metrics.table import METRICS, PROCESS, exposed
from tests.harness.packaged import ALERTS, alerts, dashboard, named, queries
from tests.harness.process import ROOT

KNOWN = {name for metric, kind in METRICS.items() for name in exposed(metric, kind.kind)} | set(PROCESS)


def test_every_query_names_metrics_that_there_are() -> None:
    """A renamed metric must not leave an empty panel or an alert that never fires."""
    assert {name for query in queries() for name in named(query)} - KNOWN == set()
    assert named(ALERTS.read_text()) - KNOWN == set()
    assert named((ALERTS.parent / "alerts_test.yml").read_text()) - KNOWN == set()
    assert all(named(query) for query in queries())


def test_every_alert_is_tested_and_documented() -> None:
    """Each one has a state in which it is silent, one in which it fires, and a line that says what to do."""
    tests, page = (ALERTS.parent / "alerts_test.yml").read_text(), (ROOT / "docs" / "metrics.md").read_text()
    for name in alerts():
        assert f"alertname: {name}}}" in tests
        assert f'{{alertname="{name}"' in tests
        assert f"| `{name}` |" in page
    assert page.count("| `CaSupervisor") == len(alerts())


def test_dashboard_can_be_imported() -> None:
    """Panels have ids of their own and do not lie on one another; each has a query, a title and a sentence."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["title"] and panel["type"] in {"row", "stat", "timeseries"} for panel in panels)
    charts = [panel for panel in panels if panel["type"] != "row"]
    assert all(panel["description"].endswith(".") and panel["targets"] for panel in charts)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert not [
        (one, other)
        for one, other in combinations(places, 2)
        if one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    ]


def test_dashboard_asks_the_chosen_prometheus() -> None:
    """No query goes to a data source of ours, and each one is of the chosen job and instance."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"
            expression = target["expr"]
            assert len(named(expression)) <= expression.count('job=~"$job",instance=~"$instance"')
