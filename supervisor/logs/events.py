"""The literal table of every log event: a public interface, kept true by a test. Anyone may import it.

docs/events.md is made from it: `python -m supervisor.logs.events`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple


class Event(NamedTuple):
    """One event: the level it is logged at, its fields in order, and what it means to an operator."""

    level: str
    fields: tuple[str, ...]
    meaning: str


EVENTS: Final[dict[str, Event]] = {
    "supervisor.starting": Event("info", ("version", "config", "pid"), "The program has read its settings."),
    "supervisor.activated": Event(
        "info", ("sockets",), "These sockets were passed by systemd and are listened on; each with its setting."
    ),
    "supervisor.ready": Event("info", ("took", "pid"), "Recovery is done and the stages run."),
    "supervisor.stopping": Event(
        "info", ("signal", "now", "grace"), "Nothing more is taken; work in flight may end, or not (`now`)."
    ),
    "supervisor.stopped": Event("info", (), "The program has stopped in order."),
    "supervisor.failed": Event("error", ("code", "why"), "The program cannot go on and exits with `code`."),
    "config.warning": Event("warning", ("setting", "why"), "A setting is allowed and not wise."),
    "config.reloaded": Event(
        "info", ("changed", "restart"), "The file was read again; what is in `restart` must wait for one."
    ),
    "config.refused": Event("error", ("file", "problems"), "The file has mistakes; the old settings stay."),
    "control.unavailable": Event(
        "warning", ("socket", "why"), "Commands cannot ask this supervisor; signals reach it. It tries again by itself."
    ),
    "control.available": Event("info", ("socket",), "Commands can ask this supervisor now."),
    "control.failed": Event("error", (), "A question of a command could not be answered; the rest goes on."),
    "admin.listening": Event("info", ("listen",), "Health, metrics and status can be asked for."),
    "store.starting": Event("info", ("url",), "The store is being started or connected to."),
    "store.ready": Event("info", ("server", "version", "took"), "The store answers."),
    "store.warning": Event(
        "warning", ("reason", "lines"), "The store promises less than it should, or tells of its last end."
    ),
    "store.lost": Event(
        "error", ("why", "moves"), "The store cannot be reached, or its server ended; everything waits for it."
    ),
    "store.back": Event("info", ("after_s", "pid"), "The store answers again, or its server was started again."),
    "store.restored": Event(
        "info",
        ("backup", "made", "at"),
        "The store was restored at `at` from the backup `backup`, which shows it as it was at `made` (unix times).",
    ),
    "lease.taken": Event(
        "info", ("supervisor", "fence"), "This supervisor owns the store; `fence` rises with every lease."
    ),
    "lease.lost": Event(
        "error", ("why",), "The lease ran out; what was in flight is not committed, and a new one is asked for."
    ),
    "lease.waiting": Event("warning", ("holder", "left"), "Another supervisor's lease has not run out yet."),
    "recovery.started": Event("info", ("sessions",), "The scan of all sessions begins."),
    "recovery.progress": Event("info", ("seen", "sessions"), "The scan goes on."),
    "recovery.moved": Event(
        "info", ("session", "action", "row"), "A session was not where it belonged; `row` is that of docs/recovery.md."
    ),
    "recovery.quarantined": Event("error", ("session", "field", "why"), "A record cannot be read and is set aside."),
    "recovery.finished": Event("info", ("seen", "counts", "dropped", "took"), "Every session is where it belongs."),
    "recovery.failed": Event("error", (), "A scan broke off; the next one comes."),
    "commit.refused": Event(
        "warning", ("session", "move", "why"), "A move was not made: the session is another's by now."
    ),
    "stage.finished": Event(
        "info",
        ("session", "queue", "attempt", "outcome", "duration_ms", "why", "kind"),
        "The closing line of one attempt of a stage.",
    ),
    "stage.failed": Event("error", ("session", "queue", "attempt"), "A fault of the program; the attempt counts."),
    "stage.timed_out": Event(
        "warning", ("session", "queue", "attempt", "limit_s"), "An attempt took too long and was stopped; it counts."
    ),
    "stage.stopped": Event(
        "info", ("given_back",), "The stages have stopped; so many sessions went back to their queues."
    ),
    "validation.finished": Event(
        "info", ("session", "name", "type", "ok", "why", "took"), "One attempt at one challenge."
    ),
    "certificate.issued": Event("info", ("session", "serial", "names", "not_after"), "A certificate is on record."),
    "session.rejected": Event("info", ("session", "state", "why"), "A session ended without a certificate."),
    "session.retired": Event("info", ("session", "why"), "A session is finished; its certificate stays on record."),
    "crl.written": Event("info", ("file", "number", "entries"), "A new CRL is in place."),
    "crl.failed": Event("error", ("file", "why"), "No new CRL could be written; the old one stays."),
    "crl.unreadable": Event(
        "error", ("file", "why"), "The CRL cannot be served as it is; the last good one is served."
    ),
    "door.certificate_due": Event(
        "info", ("serial", "names", "why"), "The front door gets a new certificate of its own; its intent is on record."
    ),
    "door.certificate_issued": Event("info", ("serial", "not_after"), "The front door's own certificate is on record."),
    "door.certificate_failed": Event(
        "error", ("why",), "The front door gets no new certificate of its own; it keeps the one that it has."
    ),
    "acme.ready": Event("info", ("directory",), "The ACME front door is open; clients are pointed at this URL."),
    "http.listening": Event("info", ("listen", "tls"), "The front door or the admin listener takes connections."),
    "http.full": Event("warning", ("why",), "No more connections can be taken for now; clients are told to come back."),
    "http.handshake_failed": Event("debug", ("why",), "A TLS handshake came to nothing."),
    "http.failed": Event("error", ("method", "path"), "A request was answered with 500: a fault of the program."),
    "acme.request": Event(
        "info",
        ("method", "kind", "status", "account", "session", "problem", "duration_ms"),
        "A request at the front door was answered; `kind` is the kind of its URL, `problem` the error type.",
    ),
    "acme.failed": Event(
        "error", ("method", "kind", "session"), "A fault of the program at the front door; the client got a 500."
    ),
    "logs.dropped": Event(
        "warning", ("lines",), "Where the logs go was too slow or full; so many lines are missing before this one."
    ),
    "logs.reopened": Event("info", ("file",), "A SIGUSR1 came; the lines from here on are in the file of this name."),
    "logs.not_reopened": Event("error", ("why",), "A SIGUSR1 came; the old log file is still written to."),
    "clock.went_back": Event(
        "warning",
        ("seconds", "sessions"),
        "The clock was set back; so many sessions that wait for their next try wait that much less.",
    ),
    "warning.raised": Event(
        "warning",
        ("name", "severity", "subject", "why", "since"),
        "Something will go wrong if nobody does anything, or has become an error; docs/warnings.md says what to do.",
    ),
    "warning.cleared": Event("info", ("name", "subject", "why", "since"), "A warning is over."),
    "warning.told": Event("info", ("channel", "raised", "cleared"), "A notice was taken by this channel's server."),
    "warning.not_told": Event(
        "warning",
        ("channel", "why"),
        "A notice was not taken, and is sent again later; or not for some of the addresses.",
    ),
    "warning.not_remembered": Event(
        "warning", ("why",), "What was told cannot be written down; after a restart it is told once more."
    ),
    "warning.failed": Event("error", ("what", "why"), "A look, or a channel, failed; the next one comes."),
    "library.message": Event("warning", ("library", "message"), "A library has logged something."),
}


def page() -> str:
    """The text of docs/events.md."""
    rows = [
        f"| `{name}` | {event.level} | {' '.join(f'`{field}`' for field in event.fields)} | {event.meaning} |"
        for name, event in EVENTS.items()
    ]
    return "\n".join([_INTRODUCTION, "| event | level | fields | meaning |", "|---|---|---|---|", *rows, ""])


_INTRODUCTION: Final = """\
# Log events

Each line has `time` (UTC), `level`, `event` and the fields of its event. Events and fields are an interface:
they do not change within a major version. Times named `took` are in seconds. Values are made safe: what is
not printable is escaped, more than 2,048 characters are cut, secrets are hidden. An error adds `error`,
`trace` and `causes`.

This table is made by `python -m supervisor.logs.events`.
"""


if __name__ == "__main__":
    Path("docs/events.md").write_text(page(), encoding="utf-8")
