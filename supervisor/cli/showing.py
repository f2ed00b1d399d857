"""`show`: the whole story of one session."""

from __future__ import annotations

import click
import msgspec

from stages.session import Challenge, Session
from supervisor.cli import output
from supervisor.cli.invocation import Invocation, shared
from supervisor.cli.looking import find
from supervisor.cli.publishing import in_words, publications
from supervisor.cli.stores import with_store
from supervisor.overview.story import as_json, story


@click.command()
@shared
@click.argument("session")
@click.pass_obj
def show(invocation: Invocation, session: str) -> None:
    """Show every move of SESSION (its id or its beginning), the evidence of every test, and what to publish."""
    settings = invocation.settings()
    found = with_store(invocation, settings, lambda store: find(store, session))
    publish = publications(found, settings.validation.http_port, settings.validation.tls_port)
    if invocation.json:
        output.document(as_json(found) | {"publish": msgspec.to_builtins(publish)})
        return
    output.table(("session", found.id), _facts(found))
    output.line()
    output.table(("when", "what"), [(output.when(at), what) for at, what in story(found)])
    for challenge in found.challenges:
        _show_challenge(challenge)
    if publish:
        output.line()
        for text in in_words(publish):
            output.line(text)


def _facts(session: Session) -> list[tuple[str, object]]:
    error = session.error
    facts: list[tuple[str, object]] = [
        ("state", session.state.value if session.live else f"{session.state.value}, not live"),
        ("created", output.when(session.created)),
        ("names", ", ".join(session.names)),
        ("account", session.account or "none: submitted on the command line"),
        ("profile", session.profile),
        ("challenges expire", output.when(session.expires) if session.expires else ""),
        ("failed tries", session.attempts),
        ("waits until", output.when(session.waiting) if session.waiting else ""),
        ("serial number", session.serial),
        ("delivery", f"{session.delivery.value}, {output.when(session.delivered)}" if session.delivery else ""),
        ("error", f"{error.kind}: {error.detail}" if error else ""),
    ]
    return [(name, value) for name, value in facts if value not in {"", 0}]


def _show_challenge(challenge: Challenge) -> None:
    how = "satisfied" if challenge.satisfied else "failed" if challenge.failed else "open"
    output.line()
    output.line(f"challenge {challenge.n}: {challenge.type.label} for {challenge.name}: {how}")
    if challenge.data.ready:
        output.line(f"  {output.when(challenge.data.ready)} the client said that it is ready")
    for record in challenge.data.attempts:
        verdict = "proven" if record.ok else record.error.detail if record.error else "not proven"
        output.line(f"  {output.when(record.at)} {verdict} ({record.took} ms)")
        for hop in record.hops:
            addresses = f", of {', '.join(hop.addresses)}" if hop.addresses else ""
            used = f" at {hop.used}{addresses}" if hop.used else addresses
            output.line(f"    {hop.target}{used}: {hop.seen or 'nothing seen'}")
