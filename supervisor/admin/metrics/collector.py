"""Folds the program's numbers into Prometheus's objects, at each scrape and only then. For `supervisor.admin` only.

The numbers are plain integers (`supervisor.meter`); nothing of prometheus-client is on the hot path. Label values are
the program's own words or the configuration's, never a client's: what is not known is "other".
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple, TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from stages.ca.issuer import Issuer
from stages.store.keys import QUEUES
from supervisor.acme.problems import STATUSES
from supervisor.acme.urls import Kind
from supervisor.admin.facts import queue_facts, ready_parts
from supervisor.admin.metrics.table import METRICS, PREFIX
from supervisor.meter import PUBLISHED, Histogram, Meter, RecoveryMeter, StoreMeter
from supervisor.term.health import Health
from supervisor.upkeep.census import Census
from supervisor.version import VERSION

Sample: TypeAlias = tuple[str, tuple[str, ...], "float | Histogram"]
"""A metric's name without the prefix, the values of its labels, and its value."""

_KINDS: Final = frozenset({*(kind.value for kind in Kind), PUBLISHED})
_STATUSES: Final = frozenset(HTTPStatus)
_OTHER: Final = "other"


class Sources(NamedTuple):
    """Where the numbers are.

    `logs` answers lines dropped and bytes queued, `undelivered` None for "not known", `warnings` whether one holds, by
    rule.
    """

    health: Health
    census: Census
    issuers: Callable[[], Sequence[Issuer]]
    clock: Callable[[], float]
    logs: Callable[[], tuple[int, int]]
    undelivered: Callable[[], int | None]
    warnings: Callable[[], Mapping[str, bool]]


class Numbers(Collector):
    """The collector of one program."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def describe(self) -> list[Family]:
        """Nothing: the registry then does not collect only to learn the names."""
        return []

    def collect(self) -> Iterator[Family]:
        """Every metric that has a value now."""
        found: dict[str, list[Sample]] = {name: [] for name in METRICS}
        for sample in samples(self._sources):
            found[sample[0]].append(sample)
        for name, metric in METRICS.items():
            if found[name]:
                yield _family(name, metric.kind, metric.says, metric.labels, found[name])


def _family(name: str, kind: str, says: str, labels: Sequence[str], found: list[Sample]) -> Family:
    if kind == "histogram":
        histogram = HistogramMetricFamily(PREFIX + name, says, labels=labels)
        for _, values, value in found:
            assert isinstance(value, Histogram)  # noqa: S101  a test compares all with the table
            histogram.add_metric(values, value.buckets(), value.total)
        return histogram
    made = (CounterMetricFamily if kind == "counter" else GaugeMetricFamily)(PREFIX + name, says, labels=labels)
    for _, values, value in found:
        assert not isinstance(value, Histogram)  # noqa: S101  as above
        made.add_metric(values, value)
    return made


def samples(sources: Sources) -> Iterator[Sample]:
    """Every value now."""
    health, meter = sources.health, sources.health.meter
    yield "build_info", (VERSION,), 1
    yield from _standing(sources)
    yield from _queues(health)
    yield "sessions_retired", (), meter.retired
    yield "certificates_issued", (), meter.issued
    if (undelivered := sources.undelivered()) is not None:
        yield "certificates_undelivered", (), undelivered
    yield from _store(health, meter.store)
    yield from _recovery(meter.recovery)
    for issuer in sources.issuers():
        for depth, certificate in enumerate((issuer.certificate, *issuer.above)):
            end = certificate.not_valid_after_utc.timestamp()
            yield "issuer_not_after_timestamp_seconds", (issuer.id, str(depth)), end
    yield from _doors(meter)
    yield from _census(sources.census)
    dropped, queued = sources.logs()
    yield "log_lines_dropped", (), dropped
    yield "log_queued_bytes", (), queued


def _standing(sources: Sources) -> Iterator[Sample]:
    health = sources.health
    parts = ready_parts(health, sources.issuers(), sources.clock())
    yield "ready", (), int(all(part.ok for part in parts.values()))
    for name, part in parts.items():
        yield "part_ready", (name,), int(part.ok)
    for name, holds in sources.warnings().items():
        yield "warning", (name,), int(holds)
    yield "event_loop_latency_seconds", (), health.pulse.latest
    yield "event_loop_latency_worst_seconds", (), health.pulse.worst
    committer = health.committer
    yield "lease_held", (), int(committer is not None)
    yield "lease_fence", (), int(committer.lease.token) if committer is not None else 0
    yield "leases_taken", (), health.meter.terms


def _queues(health: Health) -> Iterator[Sample]:
    for name, facts in queue_facts(health).items():
        labels = (name,)
        yield "queue_pending", labels, facts.pending
        yield "queue_delayed", labels, facts.delayed
        yield "queue_in_flight", labels, facts.in_flight
        yield "queue_concurrency", labels, facts.concurrency
    for queue, meter in zip(QUEUES, health.meter.queues, strict=True):
        labels = (queue.value,)
        yield "queue_wait_seconds", labels, meter.wait
        yield "stage_duration_seconds", labels, meter.stage
        for outcome in ("advance", "wait", "retry", "reject"):
            yield "stage_outcomes", (queue.value, outcome), meter.outcomes[outcome]
        yield "stage_failures", labels, meter.failures
        for kind, times in _known(meter.rejected, STATUSES):
            yield "sessions_rejected", (queue.value, kind), times


def _store(health: Health, meter: StoreMeter) -> Iterator[Sample]:
    committer = health.committer
    yield "store_available", (), int(committer is not None and committer.available)
    yield "store_call_seconds", (), meter.seconds
    yield "store_call_moves", (), meter.moves
    yield "store_moves_refused", (), meter.refused
    yield "store_outages", (), meter.outages
    yield "store_outage_seconds", (), meter.away


def _recovery(meter: RecoveryMeter) -> Iterator[Sample]:
    yield "recovery_scans", (), meter.scans
    for action, times in meter.moved.items():
        yield "recovery_moves", (action,), times
    if meter.scans:
        yield "recovery_last_timestamp_seconds", (), meter.at
        yield "recovery_last_duration_seconds", (), meter.seconds
        yield "recovery_last_sessions", (), meter.seen
        yield "recovery_last_moves", (), meter.changed
        yield "sessions_waiting", (), meter.waiting


def _doors(meter: Meter) -> Iterator[Sample]:
    acme = meter.acme
    requests: dict[tuple[str, str], int] = {}
    for (kind, status), times in acme.requests.items():
        key = (kind if kind in _KINDS else _OTHER, str(status) if status in _STATUSES else _OTHER)
        requests[key] = requests.get(key, 0) + times
    for key, times in requests.items():
        yield "acme_requests", key, times
    for kind, histogram in acme.seconds.items():
        yield "acme_request_duration_seconds", (kind if kind in _KINDS else _OTHER,), histogram
    for problem, times in _known(acme.problems, STATUSES):
        yield "acme_problems", (problem,), times
    for listener, server in meter.servers.items():
        yield "http_connections", (listener,), server.open
        yield "http_connections_accepted", (listener,), server.accepted
        yield "http_connections_full", (listener,), server.full
        for status, times in server.refused.items():
            yield "http_refusals", (listener, str(status)), times


def _census(census: Census) -> Iterator[Sample]:
    found = census.ask()
    if found is None:
        return
    yield "census_timestamp_seconds", (), found.at
    if found.crl is not None:
        yield "crl_this_update_timestamp_seconds", (), found.crl.this_update
        yield "crl_next_update_timestamp_seconds", (), found.crl.next_update
        yield "crl_number", (), found.crl.number
        yield "crl_entries", (), found.crl.entries
    if found.tls is not None:
        yield "tls_not_after_timestamp_seconds", (), found.tls
    if found.disk is not None:
        yield "disk_size_bytes", (), found.disk[0]
        yield "disk_free_bytes", (), found.disk[1]
    if found.stock is not None:
        yield "certificates_recorded", (), found.stock.certificates
        yield "certificates_revoked", (), found.stock.revoked
        yield "sessions_active", (), found.stock.sessions
        yield "sessions_quarantined", (), found.stock.quarantined
        yield "store_resident_memory_bytes", (), found.stock.memory


def _known(counted: Mapping[str, int], words: Container[str]) -> Iterator[tuple[str, int]]:
    """The numbers by word; those of words that the program does not know together as "other"."""
    other = 0
    for word, times in counted.items():
        if word in words:
            yield word, times
        else:
            other += times
    if other:
        yield _OTHER, other
