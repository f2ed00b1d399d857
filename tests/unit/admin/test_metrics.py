"""What /metrics says, and that it is what the table of metrics promises."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import pytest
from prometheus_client import REGISTRY, Metric, parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from supervisor.admin.metrics.collector import Numbers, samples
from supervisor.admin.metrics.page import OPENMETRICS, TEXT, metrics_routes, wants_openmetrics
from supervisor.admin.metrics.reference import with_table
from supervisor.admin.metrics.table import METRICS, PREFIX, PROCESS, exposed
from supervisor.http.message import Request
from supervisor.meter import Histogram
from supervisor.term.health import Health
from tests.unit.admin.numbers import health, sources
from tests.unit.ca.making import NOW, YEAR

Parse: TypeAlias = Callable[[str], Iterable[Metric]]

parse_text: Parse = parser.text_string_to_metric_families
parse_openmetrics: Parse = openmetrics_parser.text_string_to_metric_families
PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def values(found: Health) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample that is a number."""
    return {
        (name, labels): value for name, labels, value in samples(sources(found)) if not isinstance(value, Histogram)
    }


def of(found: Health, name: str) -> dict[tuple[str, ...], float]:
    return {labels: value for (known, labels), value in values(found).items() if known == name}


def test_every_metric_of_the_table_has_a_value() -> None:
    """The table promises nothing that never comes, and nothing comes that it does not have."""
    assert set(METRICS) == {name for name, _, _ in samples(sources(health()))}


def test_labels_are_those_of_the_table() -> None:
    """Each sample has a value for each label, and only histograms are histograms."""
    wrong = [
        (name, labels)
        for name, labels, value in samples(sources(health()))
        if len(labels) != len(METRICS[name].labels)
        or isinstance(value, Histogram) != (METRICS[name].kind == "histogram")
    ]
    assert wrong == []


def test_names_follow_the_conventions() -> None:
    """Base units at the end; what is a time says so; a counter gets its "_total" from the library."""
    for name, metric in METRICS.items():
        assert exposed(name, metric.kind)[0].startswith(PREFIX)
        assert not name.endswith(("_total", "_count", "_sum", "_bucket", "_ms", "_percent"))
        assert metric.says.endswith(".")
        if "timestamp" in name:
            assert name.endswith("_timestamp_seconds")


def test_no_label_comes_from_a_client() -> None:
    """What the program does not know is "other", however many of it there are."""
    found = health()
    assert of(found, "sessions_rejected") == {("testchallenge", "unauthorized"): 1, ("testchallenge", "other"): 5}
    assert of(found, "acme_requests") == {("new-order", "201"): 1, ("other", "404"): 1, ("other", "other"): 1}
    assert of(found, "acme_problems") == {("malformed",): 1, ("other",): 1}


def test_values() -> None:
    """Gauges and counters say what was counted, times are unix seconds."""
    found = values(health())
    assert {
        ("queue_pending", ("issue",)): 3,
        ("queue_delayed", ("done",)): 8,
        ("stage_outcomes", ("testchallenge", "retry")): 2,
        ("stage_outcomes", ("done", "advance")): 0,
        ("stage_failures", ("testchallenge",)): 1,
        ("certificates_issued", ()): 12,
        ("certificates_undelivered", ()): 6,
        ("lease_fence", ()): 3,
        ("leases_taken", ()): 1,
        ("ready", ()): 0,
        ("part_ready", ("lease",)): 1,
        ("part_ready", ("recovery",)): 0,
        ("warning", ("disk_space",)): 1,
        ("warning", ("crl",)): 0,
        ("crl_next_update_timestamp_seconds", ()): NOW + 900,
        ("tls_not_after_timestamp_seconds", ()): NOW + 700,
        ("http_refusals", ("acme.listen", "413")): 1,
        ("log_lines_dropped", ()): 5,
        ("disk_free_bytes", ()): 400,
        ("recovery_moves", ("requeue",)): 3,
    }.items() <= found.items()
    ends = of(health(), "issuer_not_after_timestamp_seconds")
    assert [depth for _, depth in ends] == ["0", "1"]
    assert min(ends.values()) > NOW + YEAR


def test_a_program_that_starts_has_metrics() -> None:
    """Before the store answers there is no lease, nothing ready, and nothing said that is not known."""
    found = Health()
    says = {name for name, _, _ in samples(sources(found, undelivered=lambda: None, issuers=tuple, warnings=dict))}
    assert of(found, "ready") == of(found, "lease_held") == of(found, "store_available") == {(): 0}
    assert not says & {"certificates_undelivered", "recovery_last_sessions", "warning", "http_connections"}


def test_numbers_outlive_a_term() -> None:
    """A lost lease takes nothing from a counter; Prometheus would see a restart."""
    found = health()
    before = values(found)
    committer = found.committer
    assert committer is not None
    found.lose_lease()
    assert of(found, "lease_held") == {(): 0}
    found.begin(committer)
    after = values(found)
    assert after == before | {("leases_taken", ()): 2}


@pytest.mark.anyio
async def test_formats() -> None:
    """Both formats have the same names and values, both can be parsed, and nothing is in the library's own registry."""
    page = metrics_routes(sources(health()))["/metrics"]

    async def ask(accept: str) -> tuple[dict[str, str], str]:
        request = Request("GET", "/metrics", "", {"accept": accept}, b"", "", secure=False)
        answer = await page(request)
        return dict(answer.headers), answer.body.decode()

    plain, text = await ask("text/plain;version=0.0.4")
    other, openmetrics = await ask("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2")
    assert (plain["Content-Type"], other["Content-Type"]) == (TEXT, OPENMETRICS)
    assert openmetrics.endswith("# EOF\n")

    def read(families: Iterable[Metric]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
            if sample.name.startswith(PREFIX)
        }

    found = read(parse_text(text))
    assert found == read(parse_openmetrics(openmetrics))
    assert found["ca_supervisor_queue_wait_seconds_bucket", (("le", "1.0"), ("queue", "issue"))] == 1
    assert found["ca_supervisor_queue_wait_seconds_bucket", (("le", "0.5"), ("queue", "issue"))] == 0
    assert {name for name, _ in found} == {
        name for known, metric in METRICS.items() for name in exposed(known, metric.kind)
    }
    assert all(f"\n{name} " in text for name in PROCESS)
    assert not any(isinstance(collector, Numbers) for collector in REGISTRY._collector_to_names)


@pytest.mark.parametrize(
    ("expected", "accept"),
    [
        (False, ""),
        (False, "*/*"),
        (False, "text/plain"),
        (True, "application/openmetrics-text"),
        (True, "text/plain;q=0.1, Application/OpenMetrics-Text; version=1.0.0"),
        (False, "application/openmetrics-text;q=0, text/plain"),
        (False, "application/openmetrics-text-other"),
    ],
)
def test_who_gets_openmetrics(expected: bool, accept: str) -> None:  # noqa: FBT001  a column of the table
    """Whoever names it and does not refuse it."""
    assert expected is wants_openmetrics(accept)


def test_the_documentation_has_the_table() -> None:
    """Made by `python -m supervisor.admin.metrics.reference`."""
    text = PAGE.read_text(encoding="utf-8")
    assert with_table(text) == text
