"""The running program, scraped by a real Prometheus: what it can be asked afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from anyio import to_thread

from supervisor.admin.metrics.table import METRICS, exposed
from tests.e2e.acme.acme_site import acme_site
from tests.harness.acme_moves import csr_for
from tests.harness.fetching import send, service_port
from tests.harness.packaged import dashboard, named, queries
from tests.harness.prometheus import Prometheus, promtool

TOKEN = "a-token-for-prometheus-alone"  # noqa: S105  of this test alone
ISSUED = 3
RARE = {"ca_supervisor_sessions_rejected_total", "ca_supervisor_recovery_moves_total"}
"""What a program to which nothing bad has happened does not have."""


async def metrics(port: int, accept: str) -> str:
    head = f"GET /metrics HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\naccept: {accept}\r\n"
    answer = await send(port, f"{head}connection: close\r\n\r\n".encode())
    assert answer.status == 200
    return answer.text


@pytest.mark.anyio
async def test_prometheus_knows_what_was_done(tmp_path: Path) -> None:
    """After certificates were issued its API has their number; every query of the dashboard, every rule can be made."""
    port, token = service_port(), tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    admin = f'[admin]\nlisten = "127.0.0.1:{port}"\ntoken_file = "{token}"\n'
    async with acme_site(tmp_path / "ca", admin) as site:
        with (
            await site.start() as program,
            Prometheus(tmp_path / "prometheus", service_port(), port, token) as prometheus,
        ):
            client = await site.account()
            for _ in range(ISSUED):
                name = site.name()
                answer = await client.finalize(await client.proven(name), csr_for([name]))
                assert (await client.certificate(answer)).status == 200
            assert (await client.order("*.*.example")).status == 400
            assert (await send(port, b"\x16\x03\x01 garbage\r\n\r\n")).status == 400

            def look() -> None:
                prometheus.until("ca_supervisor_certificates_issued_total", lambda issued: issued == ISSUED)
                assert prometheus.query("up")[0][1] == 1
                orders = 'ca_supervisor_acme_requests_total{kind="new-order",status="201"}'
                assert [value for _, value in prometheus.query(orders)] == [ISSUED]
                waits = 'ca_supervisor_queue_wait_seconds_count{queue="testchallenge"}'
                assert [value for _, value in prometheus.query(waits)] == [ISSUED]
                prometheus.until("ca_supervisor_crl_number", lambda number: number >= 1)
                prometheus.until("ca_supervisor_certificates_undelivered", lambda count: count == 0)
                check_dashboard(prometheus)
                check_rules(prometheus)

            await to_thread.run_sync(look)
            assert promtool("check", "metrics", said=await metrics(port, "text/plain")) == ""
            assert (await metrics(port, "application/openmetrics-text")).endswith("\n# EOF\n")
            await site.stop(program)


def check_dashboard(prometheus: Prometheus) -> None:
    """Each query is one, each metric in it has a value, and the variables find the program."""
    known = {
        metric
        for metric in prometheus.ask("label/__name__/values")
        if metric.startswith(("ca_supervisor_", "process_"))
    }
    assert {name for kind, metric in METRICS.items() for name in exposed(kind, metric.kind)} - known == RARE
    for expression in queries():
        filled = (
            expression.replace("$__rate_interval", "30s").replace("$job", "ca-supervisor").replace("$instance", ".*")
        )
        found = prometheus.query(filled)
        assert found or named(expression) & RARE, filled
    for variable in dashboard()["templating"]["list"][1:]:
        text = variable["query"]["query"].replace("$job", "ca-supervisor")
        series, _, label = text.removeprefix("label_values(").removesuffix(")").rpartition(", ")
        assert prometheus.ask(f"label/{label}/values", **{"match[]": series})


def check_rules(prometheus: Prometheus) -> None:
    """Every rule could be evaluated, and none that pages fires for a program that is well."""
    prometheus.until("count(ALERTS) or vector(0)", lambda _: True)
    [group] = prometheus.ask("rules")["groups"]
    assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}
    assert [
        rule["name"] for rule in group["rules"] if rule["state"] == "firing" and rule["labels"]["severity"] == "page"
    ] == []
