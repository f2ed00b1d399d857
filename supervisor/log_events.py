"""The literal table of every log event: a public interface, kept true by a test. Anyone may import it.

docs/events.md is made from it: `python -m supervisor.log_events`.
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
    # event                 level      fields                                   meaning
    "supervisor.starting": Event("info", ("version", "config", "pid"), "The program has read its settings."),
    "supervisor.ready": Event("info", ("took",), "Recovery is done, the stages run and the doors are open."),
    "supervisor.stopping": Event("info", ("signal", "grace"), "Nothing more is taken; work in flight may end."),
    "supervisor.stopped": Event("info", ("given_back",), "The program has stopped in order."),
    "supervisor.failed": Event("error", ("step", "reason", "code"), "The program cannot go on and exits."),
    "config.reloaded": Event("info", ("changed", "restart"), "The file was read again; `restart` must wait."),
    "config.refused": Event("error", ("problems",), "The file has mistakes; the old settings stay."),
    "store.starting": Event("info", ("url",), "The store is being started or connected to."),
    "store.ready": Event("info", ("url", "version", "took"), "The store answers."),
    "store.warning": Event("warning", ("reason",), "The store works but promises less than it should."),
    "store.lost": Event("error", ("why", "moves"), "The store cannot be reached; everything waits for it."),
    "store.back": Event("info", ("after_s",), "The store answers again."),
    "store.stopped": Event("info", (), "The embedded store has stopped."),
    "lease.taken": Event("info", ("supervisor", "fence"), "This supervisor owns its in-flight list."),
    "lease.lost": Event("error", ("supervisor",), "The lease ran out; what was in flight is not committed."),
    "lease.waiting": Event("warning", ("holder", "left"), "Another supervisor's lease has not run out yet."),
    "recovery.started": Event("info", ("sessions",), "The scan of all sessions begins."),
    "recovery.progress": Event("info", ("seen", "sessions"), "The scan goes on."),
    "recovery.quarantined": Event("error", ("session", "field", "why"), "A record cannot be read and is set aside."),
    "recovery.moved": Event("info", ("session", "action", "row"), "Recovery put a session where it belongs."),
    "recovery.finished": Event("info", ("seen", "counts", "took"), "Every session is where it belongs."),
    "commit.refused": Event(
        "warning", ("session", "move", "why"), "A move was not made: the session is another's by now."
    ),
    "session.submitted": Event("info", ("session", "names", "account"), "A request for a certificate is on record."),
    "session.rejected": Event("info", ("session", "kind", "reason"), "A session ended without a certificate."),
    "session.retired": Event("info", ("session", "delivery"), "A session is finished."),
    "stage.finished": Event("info", ("stage", "session", "outcome", "took"), "One try of a stage and its outcome."),
    "stage.failed": Event("error", ("stage", "session", "error", "trace"), "A fault of the program; the try counts."),
    "stage.timed_out": Event("warning", ("stage", "session", "timeout"), "A try took too long and was stopped."),
    "stage.stopped": Event("info", ("given_back",), "The stages have stopped."),
    "validation.finished": Event(
        "info", ("session", "name", "type", "ok", "reason", "took"), "One attempt at one challenge."
    ),
    "certificate.issued": Event("info", ("session", "serial", "names", "not_after"), "A certificate is on record."),
    "certificate.revoked": Event("info", ("serial", "reason"), "A certificate is revoked."),
    "certificate.delivered": Event("info", ("session", "serial", "delivery"), "A client got its certificate."),
    "admin.listening": Event("info", ("listen",), "Health, metrics and status are served."),
    "admin.failed": Event("error", (), "A fault of the program while it answered an admin request."),
    "crl.written": Event("info", ("file", "number", "entries"), "A new CRL is in place."),
    "crl.failed": Event("error", ("file", "reason"), "No new CRL could be written; the old one stays."),
    "logs.dropped": Event("warning", ("lines",), "Standard output was too slow; so many lines are missing."),
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

This table is made by `python -m supervisor.log_events`.
"""


if __name__ == "__main__":
    Path("docs/events.md").write_text(page(), encoding="utf-8")
