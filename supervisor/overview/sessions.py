"""Lists of sessions and the details of one, for `supervisor.overview.view`. Every list is bounded.

The store keeps no list of sessions that wait, that failed or whose certificate is not delivered. They are looked for
among the newest `LOOKED`, and among those that this program has seen rejected; how many were looked at is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from cryptography import x509

from stages.session import Session, State
from stages.store.accounts import read_account
from stages.store.glances import Glance, Mark, delayed, due_times, glances, in_flight, newest, pending
from stages.store.keys import QUEUES
from stages.store.reading import Overview as Counts
from stages.store.reading import read_whole
from stages.store.records import Garbled
from stages.store.store import Store
from supervisor.overview.parts import Detail, SessionRow, StoreNow, SupervisorNow
from supervisor.overview.story import as_json, story

LOOKED: Final = 400
"""The newest sessions that are looked at for counts and lists by place."""
MOST: Final = 100
"""Rows of a list."""
SHOWS: Final = ("newest", "at-work", "pending", "retrying", "waiting", "undelivered", "failed")
"""The lists that there are."""
_LONGEST: Final = 2000
_PEM: Final = ("csr", "cert", "intent")


def store_now(at: float, counts: Counts, marks: Sequence[Mark]) -> StoreNow:
    """How the store stands, from its counts and how the newest sessions stand."""
    waiting = Counter(mark.state for mark in marks if mark.live and mark.waiting)
    return StoreNow(
        at,
        tuple(
            SupervisorNow(supervisor, supervisor in counts.living, number)
            for supervisor, number in counts.inflight.items()
        ),
        counts.active,
        counts.certificates,
        counts.revoked,
        counts.retired,
        counts.rejected,
        counts.quarantined,
        len(marks),
        {queue.value: waiting[queue.value] for queue in QUEUES},
        sum(map(_undelivered, marks)),
        sum(map(_failed, marks)),
    )


async def ids_of(
    store: Store, show: str, marks: Sequence[Mark], rejected: Iterable[str], supervisors: Sequence[str], count: int
) -> list[str]:
    """The ids of a list; `rejected` are known ones, the newest first."""
    if show == "newest":
        return await newest(store, count)
    if show == "at-work":
        return await in_flight(store, supervisors, count)
    if show == "retrying":
        return await delayed(store, count)
    if show == "pending":
        return [each for queue in QUEUES for each in await pending(store, queue, count)][:count]
    if show == "failed":
        among = [mark.session for mark in marks if _failed(mark)]
        return list(dict.fromkeys([*rejected, *among]))[:count]
    if show == "undelivered":  # the longest first: the newest are still on their way
        return [mark.session for mark in reversed(marks) if _undelivered(mark)][:count]
    return [mark.session for mark in marks if _waiting(mark)][:count]


def _failed(mark: Mark) -> bool:
    return bool(mark.state) and not mark.live and mark.state != State.DONE


def _undelivered(mark: Mark) -> bool:
    return mark.live and mark.state == State.DONE and not mark.confirmed


def _waiting(mark: Mark) -> bool:
    return mark.live and mark.waiting and mark.state != State.DONE


async def rows(store: Store, ids: Sequence[str], at_work: Iterable[str]) -> list[SessionRow]:
    """A row for each that is still there; `at_work` are the ids in flight."""
    busy = frozenset(at_work)
    found = [(id_, each) for id_, each in zip(ids, await glances(store, ids), strict=True) if each is not None]
    live = [each.session for _, each in found if isinstance(each, Glance) and each.session.live]
    due = dict(zip([session.id for session in live], await due_times(store, live), strict=True)) if live else {}
    return [_row(id_, each, due.get(id_, 0.0), id_ in busy) for id_, each in found]


def _row(id_: str, found: Glance | Garbled, due: float, busy: bool) -> SessionRow:  # noqa: FBT001  one of two facts of the row
    if isinstance(found, Garbled):
        detail = f"{found.field}: {found.why}"
        return SessionRow(id_, "", "unreadable", 0, (), 0, "", "", 0, 0, due, "", "", 0, "", detail, "", 0)
    session = found.session
    last_at, last = (story(session) or [(0, "")])[-1]
    return SessionRow(
        session.id,
        session.state.value,
        place_of(session, due, busy=busy),
        session.created,
        session.names,
        found.names_count,
        session.account,
        session.profile,
        session.attempts,
        session.waiting,
        due,
        session.serial,
        session.delivery.value if session.delivery else "",
        session.delivered,
        session.error.kind if session.error else "",
        session.error.detail[:_LONGEST] if session.error else "",
        last[:_LONGEST],
        last_at,
    )


def place_of(session: Session, due: float = 0.0, *, busy: bool = False) -> str:
    """Where a session stands, in a word; "queued" where it may be on its queue or with another supervisor."""
    if not session.live:
        return "finished" if session.state is State.DONE else "rejected"
    if busy:
        return "at work"
    if due:
        return "retrying"
    if session.state is State.DONE and session.waiting:
        return "undelivered"
    return "waiting" if session.waiting else "queued"


async def detail(store: Store, id_: str, now: float) -> Detail | None:
    """One session with its challenges and their evidence, None for none. Raises Garbled."""
    session = await read_whole(store, id_)
    if session is None:
        return None
    told = {key: value for key, value in as_json(session).items() if key not in _PEM}
    told["place"] = place_of(session)
    contact: tuple[str, ...] = ()
    with suppress(Garbled):  # the session is asked for, not the account
        account = await read_account(store, session.account)
        contact = account.contact if account else ()
    return Detail(now, told, _subject(session.csr), contact)


def _subject(csr: str) -> str:
    """The subject that a CSR asks for; it is the client's text."""
    if not csr:
        return ""
    try:
        return x509.load_pem_x509_csr(csr.encode()).subject.rfc4514_string()[:_LONGEST]
    except (ValueError, x509.InvalidVersion):
        return "cannot be read"
