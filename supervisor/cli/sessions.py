"""`sessions`, `cancel`, `thanks`: lists sessions, gives one up, notes that a certificate has arrived."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import click

from stages.errors import Refused
from stages.session import Delivery, Problem, Session, State
from stages.store import moves
from stages.store.finding import each_id
from stages.store.reading import each_session, read_whole
from stages.store.records import Garbled
from stages.store.store import Store
from supervisor.build import Domain
from supervisor.cli import output
from supervisor.cli.invocation import Invocation, shared
from supervisor.cli.looking import find_id, not_found
from supervisor.cli.stores import with_store

SHORT: Final = 12
"""Hex digits of an id in a table."""


@click.command()
@shared
@click.option("--state", type=click.Choice([state.value for state in State]), help="Only sessions in this state.")
@click.option("--dead", is_flag=True, help="Finished and rejected sessions, for as long as they are kept.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at the most.")
@click.pass_obj
def sessions(invocation: Invocation, state: str | None, dead: bool, limit: int) -> None:  # noqa: FBT001  click gives flags so
    """List the sessions that are not finished, the newest first; with --dead the other ones, in no order."""

    async def gather(store: Store) -> list[Session | Garbled]:
        found: list[Session | Garbled] = []
        each = _each_dead(store) if dead else each_session(store)
        async for session in each:
            if isinstance(session, Garbled):
                if not state:
                    found.append(session)
            elif session.live is not dead and state in {None, session.state.value}:
                found.append(session)
            if len(found) > limit:
                break
        return found

    found = with_store(invocation, invocation.settings(), gather)
    listed, more = found[:limit], len(found) > limit
    if invocation.json:
        output.document({"sessions": [_as_json(each) for each in listed], "more": more})
        return
    columns = ("session", "state", "created", "names", "tries", "error")
    output.table(columns, [_row(each) for each in listed], empty="no sessions")
    if more:
        output.note(f"there are more than {limit}; --limit shows more")


@click.command()
@shared
@click.argument("session")
@click.option("--reason", default="cancelled by the operator", help="Why; the client sees it.")
@click.pass_obj
def cancel(invocation: Invocation, session: str, reason: str) -> None:
    """Give SESSION (its id or its beginning) up. One whose certificate exists cannot be cancelled, only revoked."""
    if not reason.isprintable() or not 1 <= len(reason) <= 200:  # noqa: PLR2004  a sentence
        raise Refused("malformed", "--reason", "it must be 1 to 200 printable characters")
    settings = invocation.settings()
    keep = Domain(settings).keep
    _move(invocation, session, lambda found: moves.cancel(found, Problem("unauthorized", reason), keep), "cancelled")


@click.command()
@shared
@click.argument("session")
@click.pass_obj
def thanks(invocation: Invocation, session: str) -> None:
    """Say that the certificate of SESSION (its id or its beginning) has arrived; the session is then finished."""
    _move(invocation, session, lambda found: moves.deliver(found, Delivery.CONFIRMED.value), "delivery confirmed")


def _move(invocation: Invocation, text: str, make: Callable[[str], moves.Move], done: str) -> None:
    async def work(store: Store) -> tuple[str, list[Any]]:
        session = await find_id(store, text)
        with contextlib.suppress(Garbled):  # a record that cannot be read can still be given up
            if await read_whole(store, session) is None:
                raise not_found(session)
        return session, await store.move(make(session))

    session, answer = with_store(invocation, invocation.settings(), work)
    if answer[0] != "ok":
        raise Refused("malformed", f"session {session}", WHY_NOT.get(answer[1], answer[1]))
    if invocation.json:
        output.document({"session": session, "done": done})
    else:
        output.line(f"session {session}: {done}")


WHY_NOT: Final = {
    "not live": "it is finished or rejected already",
    "state is another": "it has no certificate yet",
    "issued already": "its certificate exists already; revoke that instead",
}
"""What the store's answers mean to an operator."""


async def _each_dead(store: Store) -> AsyncIterator[Session | Garbled]:
    async for session in each_id(store):
        try:
            found = await read_whole(store, session)
        except Garbled as fault:
            yield fault
        else:
            if found is not None:
                yield found


def _row(session: Session | Garbled) -> tuple[object, ...]:
    if isinstance(session, Garbled):
        return session.session[:SHORT], "unreadable", "", "", "", f"{session.field}: {session.why}"
    error = session.error.detail if session.error else ""
    state = session.state.value + (", waiting" if session.waiting else "")
    return (
        session.id[:SHORT],
        state if session.live else "finished" if session.cert else "rejected",
        output.when(session.created),
        output.some(session.names),
        session.attempts or "",
        error,
    )


def _as_json(session: Session | Garbled) -> dict[str, Any]:
    if isinstance(session, Garbled):
        return {"session": session.session, "unreadable": {"field": session.field, "why": session.why}}
    return {
        "session": session.id,
        "state": session.state.value,
        "live": session.live,
        "created": session.created,
        "names": list(session.names),
        "account": session.account,
        "profile": session.profile,
        "attempts": session.attempts,
        "waiting": session.waiting,
        "serial": session.serial,
        "delivery": session.delivery.value if session.delivery else None,
        "error": {"kind": session.error.kind, "detail": session.error.detail} if session.error else None,
    }
