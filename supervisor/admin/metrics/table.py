"""The literal table of every metric: a public interface, kept true by tests. `collector` fills it in.

The table in docs/metrics.md is made by `python -m supervisor.admin.metrics.reference`.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

PREFIX: Final = "ca_supervisor_"


class Metric(NamedTuple):
    """One metric: its kind, the labels in order, and what it says. A counter's name here has no "_total"."""

    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    says: str


_QUEUE: Final = ("queue",)

METRICS: Final[dict[str, Metric]] = {
    "build_info": Metric("gauge", ("version",), "1; the version that runs."),
    "ready": Metric("gauge", (), "1 when /readyz answers 200."),
    "part_ready": Metric("gauge", ("part",), "1 for each part of /readyz that is as it should be."),
    "warning": Metric("gauge", ("name",), "1 for each rule of docs/warnings.md of which a warning holds now."),
    "event_loop_latency_seconds": Metric("gauge", (), "By how much the event loop was late at its last beat."),
    "event_loop_latency_worst_seconds": Metric("gauge", (), "The same at the worst beat of the last minute."),
    "lease_held": Metric("gauge", (), "1 while this supervisor holds a lease."),
    "lease_fence": Metric("gauge", (), "The fencing number of the lease, 0 without one."),
    "leases_taken": Metric("counter", (), "Leases taken since the start; one more than the leases lost."),
    "queue_pending": Metric("gauge", _QUEUE, "Sessions that stand in the queue."),
    "queue_delayed": Metric("gauge", _QUEUE, "Sessions that wait for their next try, or for the time to look again."),
    "queue_in_flight": Metric("gauge", _QUEUE, "Sessions at work here."),
    "queue_concurrency": Metric("gauge", _QUEUE, "Sessions that can be at work here at once."),
    "queue_wait_seconds": Metric("histogram", _QUEUE, "From the push of a session by this process to its claim."),
    "stage_duration_seconds": Metric("histogram", _QUEUE, "How long a try of the stage took."),
    "stage_outcomes": Metric(
        "counter", ("queue", "outcome"), "Tries of the stage by outcome: advance, wait, retry, reject."
    ),
    "stage_failures": Metric("counter", _QUEUE, "Retries that cost the session one of its tries."),
    "sessions_rejected": Metric("counter", ("queue", "kind"), "Rejections by a stage, by RFC 8555 6.7 error type."),
    "sessions_retired": Metric("counter", (), "Sessions that came to their end with a certificate."),
    "certificates_issued": Metric("counter", (), "Certificates that the issue stage has put on record."),
    "certificates_recorded": Metric("gauge", (), "Certificates on record in the store."),
    "certificates_revoked": Metric("gauge", (), "Revoked certificates on record in the store."),
    "certificates_undelivered": Metric(
        "gauge", (), "Certificates that nobody has fetched within `warnings.undelivered`, as of the last whole round."
    ),
    "sessions_active": Metric("gauge", (), "Sessions in active-requests; finished ones until the next scan."),
    "sessions_waiting": Metric("gauge", (), "Sessions that waited for their client at the last recovery scan."),
    "sessions_quarantined": Metric("gauge", (), "Records that were set aside because they cannot be read."),
    "store_available": Metric("gauge", (), "1 while the store answers."),
    "store_call_seconds": Metric("histogram", (), "How long a call of the committer took, to the disk and back."),
    "store_call_moves": Metric("histogram", (), "Moves in a call of the committer."),
    "store_moves_refused": Metric("counter", (), "Moves that were not made: the session was another's by then."),
    "store_outages": Metric("counter", (), "How often the store went away."),
    "store_outage_seconds": Metric("counter", (), "For how long it was away, in the outages that are over."),
    "store_resident_memory_bytes": Metric("gauge", (), "Memory of the store's process."),
    "recovery_scans": Metric("counter", (), "Recovery scans that came to their end."),
    "recovery_moves": Metric(
        "counter", ("action",), "Sessions that a scan did not find where they belong, by what it did."
    ),
    "recovery_last_timestamp_seconds": Metric("gauge", (), "When the last scan ended."),
    "recovery_last_duration_seconds": Metric("gauge", (), "How long the last scan took."),
    "recovery_last_sessions": Metric("gauge", (), "Sessions that the last scan saw."),
    "recovery_last_moves": Metric("gauge", (), "Sessions that the last scan moved."),
    "issuer_not_after_timestamp_seconds": Metric(
        "gauge", ("issuer", "depth"), "When a certificate of the issuer's chain ends; depth 0 is its own."
    ),
    "tls_not_after_timestamp_seconds": Metric("gauge", (), "When the ACME server's own TLS certificate ends."),
    "crl_this_update_timestamp_seconds": Metric("gauge", (), "When the CRL was made."),
    "crl_next_update_timestamp_seconds": Metric("gauge", (), "When the CRL ends."),
    "crl_number": Metric("gauge", (), "The number of the CRL."),
    "crl_entries": Metric("gauge", (), "Entries of the CRL."),
    "acme_requests": Metric("counter", ("kind", "status"), "Requests to the ACME server, by what they ask for."),
    "acme_request_duration_seconds": Metric("histogram", ("kind",), "How long an ACME request took."),
    "acme_problems": Metric("counter", ("type",), "ACME errors by RFC 8555 6.7 type."),
    "http_connections": Metric("gauge", ("listener",), "Connections that are open."),
    "http_connections_accepted": Metric("counter", ("listener",), "Connections that were accepted."),
    "http_connections_full": Metric("counter", ("listener",), "Connections that found no room."),
    "http_refusals": Metric(
        "counter", ("listener", "status"), "Answers of the web server itself, to requests that no page has seen."
    ),
    "log_lines_dropped": Metric(
        "counter", (), "Log lines that were lost, because their destination was slow, full or gone."
    ),
    "log_queued_bytes": Metric("gauge", (), "Bytes of log lines that wait for their destination."),
    "disk_size_bytes": Metric("gauge", (), "Size of the file system of data_dir."),
    "disk_free_bytes": Metric("gauge", (), "Bytes of it that are free for the program."),
    "census_timestamp_seconds": Metric("gauge", (), "When files and store were last looked at for the gauges above."),
}
"""By name, without the prefix."""

PROCESS: Final = (
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
)
"""What prometheus-client says of the process itself; names without our prefix, as everywhere."""


def exposed(name: str, kind: str) -> tuple[str, ...]:
    """The names under which queries know a metric."""
    whole = PREFIX + name
    if kind == "histogram":
        return f"{whole}_bucket", f"{whole}_count", f"{whole}_sum"
    return (f"{whole}_total",) if kind == "counter" else (whole,)
