"""What a scrape costs: the page /metrics, beside prometheus-client's text of as many series of its own objects.

`python -m benchmarks.sides.scraping --scrapes N --rounds N`; prints one JSON line: CPU microseconds of a scrape by
side, a list with one for each round, how many series each has, and the bytes of the page.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, cast

import uvloop
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, ProcessCollector, metrics
from prometheus_client.openmetrics import exposition, parser
from prometheus_client.registry import Collector

from benchmarks.sides.looking import ACCEPT, series
from stages.store.counting import Stock
from supervisor.acme.urls import Kind
from supervisor.admin.metrics.collector import Sources
from supervisor.admin.metrics.page import metrics_routes
from supervisor.config import Settings
from supervisor.http.message import Request
from supervisor.term.health import Health
from supervisor.upkeep.census import Census, Crl, Found
from supervisor.warnings.rules import RULES

_NOW: Final = 1_341_585_926
_STATUSES: Final = {200: "", 400: "malformed", 403: "unauthorized", 429: "rateLimited"}
_openmetrics: Callable[[Collector], bytes] = exposition.generate_latest
_parse: Callable[[str], Iterable[Metric]] = parser.text_string_to_metric_families
_without_created: Callable[[], None] = metrics.disable_created_metrics


def sources() -> Sources:
    """Those of a program that serves: its ACME server has answered everything well and badly, and all was looked at."""
    health = Health()
    for kind in Kind:
        for status, problem in _STATUSES.items():
            health.meter.acme.answered(kind.value, status, problem, 0.004)
    for listener in ("acme.listen", "admin.listen"):
        health.meter.server(listener)
    census = Census(Settings, Path("/nowhere"))
    stock = Stock(sessions=1000, certificates=10_000, revoked=10, quarantined=0, memory=10_000_000)
    census.found = Found(_NOW, Crl(4, _NOW, _NOW + 86_400, 10), _NOW + 86_400, (10**11, 10**10), stock)
    warnings = dict.fromkeys(RULES, False)
    return Sources(health, census, lambda: (), lambda: float(_NOW), lambda: (0, 0), lambda: 0, lambda: warnings)


def twin(text: str) -> CollectorRegistry:
    """A registry of prometheus-client's own objects with as many series as an exposition has, by the same names."""
    registry = CollectorRegistry()
    for family in _parse(text):
        if family.name.startswith("process_"):
            continue
        seen = {
            tuple((key, value) for key, value in sample.labels.items() if key != "le"): None
            for sample in family.samples
        }
        names = [key for key, _ in next(iter(seen))]
        given: dict[str, Any] = {"registry": registry}
        if family.type == "histogram":
            bounds = {float(sample.labels["le"]): None for sample in family.samples if "le" in sample.labels}
            given["buckets"] = tuple(bounds)
        kind = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}[family.type]
        metric: Any = kind(family.name, family.documentation, names, **given)
        for labels in seen:
            child = metric.labels(*(value for _, value in labels)) if labels else metric
            child.observe(0.004) if family.type == "histogram" else child.inc()
    ProcessCollector(registry=registry)
    return registry


async def scraped(scrapes: int, rounds: int) -> dict[str, Any]:
    """CPU microseconds of a scrape: of our page, thread and all, and of the library's text of its own objects."""
    page = metrics_routes(sources())["/metrics"]
    request = Request("GET", "/metrics", "", {"accept": ACCEPT}, b"", "127.0.0.1", secure=False)
    text = (await page(request)).body.decode()
    registry, ours, theirs = twin(text), list[float](), list[float]()
    for _ in range(rounds):
        began = time.process_time_ns()
        for _ in range(scrapes):
            await page(request)
        ours.append((time.process_time_ns() - began) / 1000 / scrapes)
        began = time.process_time_ns()
        for _ in range(scrapes):
            _openmetrics(cast("Collector", registry))
        theirs.append((time.process_time_ns() - began) / 1000 / scrapes)
    wanted, made = series(text), series(_openmetrics(cast("Collector", registry)).decode())
    return {"own": ours, "library": theirs, "series": wanted, "library_series": made, "bytes": len(text)}


def main() -> None:
    """Run it."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--scrapes", type=int, required=True)
    words.add_argument("--rounds", type=int, required=True)
    options = words.parse_args()
    _without_created()  # the program's page has none
    print(json.dumps(uvloop.run(scraped(options.scrapes, options.rounds))))


if __name__ == "__main__":
    main()
