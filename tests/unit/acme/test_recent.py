"""What the door knows without asking the store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from stages.account import Account, AccountStatus
from stages.makechallenge import MakeChallengeSettings, make_challenges
from stages.outcome import Advance, CertificateRecord, Reject, Wait, Writes
from stages.session import ChallengeType, Problem, Session, State
from stages.store import account_moves, moves
from stages.store.certificates import Certificate
from stages.store.moves import Move
from stages.store.records import advanced
from supervisor.acme.recent import CAPACITY, FRESH, Recent

NOW = 1_800_000_000
ACCOUNT = Account(id="A", created=NOW, status=AccountStatus.VALID, thumbprint="t", jwk="{}")
ID = "ab" * 32


def session(id_: str = ID) -> Session:
    """An order with one challenge, as newOrder leaves it."""
    bare = Session(id=id_, created=NOW, live=True, state=State.MAKECHALLENGE, names=("a.example",), account="A")
    made = make_challenges(bare, MakeChallengeSettings((ChallengeType.HTTP_01,), 3600, 16), NOW, bytes)
    return advanced(bare, made.writes, State.TESTCHALLENGE)


class Reader:
    """Stands for the store: what there is, and how often it was asked."""

    def __init__(self) -> None:
        self.account: Account | None = ACCOUNT
        self.session: Session | None = None
        self.certificate: Certificate | None = None
        self.asked: list[tuple[str, str]] = []
        self.gate: asyncio.Event | None = None

    async def look(self, account: str, session: str) -> tuple[Account | None, Session | None]:
        """Answer as it is when the question comes, and after the gate."""
        self.asked.append((account, session))
        answer = self.account if account else None, self.session if session else None
        if self.gate is not None:
            await self.gate.wait()
        return answer

    async def look_for(self, account: str, serial: str) -> tuple[Account | None, Certificate | None]:
        """As `look`."""
        self.asked.append((account, serial))
        return self.account, self.certificate


class Bench:
    """A memory with a clock of its own."""

    def __init__(self, *, off: bool = False) -> None:
        self.now = 0.0
        self.reader = Reader()
        self.recent = Recent(self.reader, lambda: self.now, off=off)  # type: ignore[arg-type]  # a stand-in

    async def known(self, id_: str = ID) -> Session | None:
        """What the door would be told."""
        return (await self.recent.look("A", id_))[1]


@pytest.mark.anyio
async def test_order_made_here_is_not_read_for_a_moment() -> None:
    """Its account is read once; both are read again when they are older than FRESH."""
    bench, made = Bench(), session()
    bench.recent.made(made)
    assert (ACCOUNT, made) == await bench.recent.look("A", ID)
    assert (ACCOUNT, made) == await bench.recent.look("A", ID)
    assert bench.reader.asked == [("A", "")]
    bench.now = FRESH + 0.001
    assert await bench.recent.look("A", ID) == (ACCOUNT, None)
    assert bench.reader.asked == [("A", ""), ("A", ID)]


@pytest.mark.anyio
async def test_order_of_another_process_is_always_read() -> None:
    """What was only read is not remembered: nobody would tell of its changes."""
    bench = Bench()
    bench.reader.session = session()
    for _ in range(2):
        assert await bench.known() == session()
    assert bench.reader.asked == [("A", ID), ("", ID)]


@pytest.mark.anyio
async def test_moves_are_followed() -> None:
    """Ready, proven, finalized, issued: each is known as it became durable, with its certificate at the end."""
    bench, now = Bench(), session()
    bench.recent.made(now)
    data = now.challenges[0].data
    ready = replace(data, ready=NOW)
    bench.recent.heard(moves.ready(ID, 1, data, ready))
    proven = replace(now.challenges[0], satisfied=True, data=ready)
    bench.recent.heard(moves.for_outcome(now, Advance(Writes(challenges=(proven,))), NOW, 1))
    now = replace(now, state=State.ISSUE, challenges=(proven,))
    assert await bench.known() == now
    bench.recent.heard(moves.for_outcome(now, Wait(NOW + 9), NOW, 1))
    bench.recent.heard(moves.finalize(ID, "CSR", "", "01", "{}"))
    now = replace(now, csr="CSR", serial="01", intent="{}")
    assert await bench.known() == now
    record = CertificateRecord("01", "main", "a.example", "PEM", NOW, NOW + 9, "A", ID, "ab" * 32)
    writes = Writes(fields={"cert": "PEM", "delivery": "issued", "delivered": str(NOW)}, certificate=record)
    bench.recent.heard(moves.for_outcome(now, Advance(writes), NOW, 1))
    found = await bench.known()
    assert found is not None
    assert (found.state, found.cert, found.serial) == (State.DONE, "PEM", "01")
    _, certificate = await bench.recent.look_for("A", "01")
    assert certificate is not None
    assert (certificate.pem, certificate.account, certificate.session) == ("PEM", "A", ID)
    assert bench.reader.asked == [("A", "")]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "move",
    [
        moves.for_outcome(session(), Reject(Problem("unauthorized", "no")), NOW, 1),
        moves.cancel(ID, Problem("unauthorized", "no"), 1),
        moves.deliver(ID, "sent"),
        moves.release(ID, State.TESTCHALLENGE),
        moves.quarantine(ID),
        moves.reserve(ID, "01", "{}"),
    ],
)
async def test_session_that_cannot_be_followed_is_read_again(move: Move) -> None:
    """And no other one, nor the account."""
    bench = Bench()
    for id_ in (ID, "cd" * 32):
        bench.recent.made(session(id_))
    assert await bench.known()
    bench.recent.heard(move)
    bench.reader.asked.clear()
    assert await bench.known() is None
    assert await bench.known("cd" * 32)
    assert bench.reader.asked == [("", ID)]


@pytest.mark.anyio
async def test_second_csr_is_not_believed() -> None:
    """The same CSR finalizes twice, and the intent of the first is on record: what is there is read."""
    bench = Bench()
    bench.recent.made(replace(session(), state=State.ISSUE))
    bench.recent.heard(moves.finalize(ID, "CSR", "", "01", "{}"))
    assert await bench.known()
    bench.recent.heard(moves.finalize(ID, "CSR", "", "02", "{}"))
    assert await bench.known() is None


@pytest.mark.anyio
@pytest.mark.parametrize(
    "move",
    [
        account_moves.deactivate("A", Problem("unauthorized", "no"), 1, NOW),
        account_moves.change_key("A", "t", "u", "{}"),
        account_moves.update_account("A", {}),
        account_moves.restrict_account("A", {}),
        moves.revoke("01", 0, NOW),
        moves.resync([]),
        ["a move of a later version", ID],
    ],
)
async def test_change_of_an_account_is_seen_at_once(move: Move) -> None:
    """Nothing that was known before it is used again."""
    bench = Bench()
    bench.recent.made(session())
    await bench.known()
    bench.recent.heard(move)
    bench.reader.asked.clear()
    await bench.known()
    assert bench.reader.asked == [("A", ID)]


@pytest.mark.anyio
async def test_account_read_before_a_change_is_not_remembered() -> None:
    """The answer was on its way when the account was ended: who asked gets it, and nobody else."""
    bench = Bench()
    bench.reader.gate = asyncio.Event()
    reading = asyncio.ensure_future(bench.recent.look("A", ""))
    await asyncio.sleep(0)
    bench.recent.heard(account_moves.deactivate("A", Problem("unauthorized", "no"), 1, NOW))
    bench.reader.account = ended = replace(ACCOUNT, status=AccountStatus.DEACTIVATED)
    bench.reader.gate.set()
    assert await reading == (ACCOUNT, None)
    assert (ended, None) == await bench.recent.look("A", "")


@pytest.mark.anyio
@pytest.mark.parametrize("move", [moves.submit("cd" * 32, ["b.example"], {}, NOW), ["order", "cd" * 32]])
async def test_new_session_changes_nothing_known(move: Move) -> None:
    """Orders and sessions come all the time."""
    bench = Bench()
    bench.recent.made(session())
    bench.recent.heard(move)
    assert await bench.known() == session()


@pytest.mark.anyio
async def test_beside_other_supervisors_nothing_is_remembered() -> None:
    """They move the same sessions, and nobody tells of it."""
    bench = Bench(off=True)
    bench.recent.made(session())
    for _ in range(2):
        assert await bench.known() is None
    assert bench.reader.asked == [("A", ID)] * 2


@pytest.mark.anyio
async def test_memory_is_bounded() -> None:
    """The oldest goes first."""
    bench = Bench()
    ids = [f"{n:064x}" for n in range(CAPACITY + 1)]
    for id_ in ids:
        bench.recent.made(session(id_))
    assert await bench.known(ids[0]) is None
    assert await bench.known(ids[1])
    kept: list[dict[str, Any]] = [bench.recent._sessions, bench.recent._accounts, bench.recent._certificates]
    assert [len(each) for each in kept] == [CAPACITY, 1, 0]


@pytest.mark.anyio
async def test_memory_lets_go_of_what_is_old() -> None:
    """A quiet door keeps no more than what one second brought; orders of many names are large."""
    bench = Bench()
    bench.recent.made(session())
    bench.now = FRESH
    bench.recent.made(session("cd" * 32))
    assert list(bench.recent._sessions) == [ID, "cd" * 32]
    bench.now = FRESH + 0.001
    bench.recent.made(session("ef" * 32))
    assert list(bench.recent._sessions) == ["cd" * 32, "ef" * 32]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("move", "asked"),
    [
        (moves.ready(ID, 1, session().challenges[0].data, session().challenges[0].data), ("", ID)),
        (account_moves.update_account("A", {}), ("A", "")),
        (account_moves.order("cd" * 32, ["a.example"], {}, NOW, "A"), ("A", "")),
    ],
)
async def test_what_a_refused_move_was_about_is_read_again(move: Move, asked: tuple[str, str]) -> None:
    """Another process was quicker: who was told so is not shown next what was true before."""
    bench = Bench()
    bench.recent.made(session())
    await bench.known()
    bench.reader.asked.clear()
    bench.recent.doubted(move)
    await bench.known()
    assert bench.reader.asked == [asked]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("found", "known"),
    [
        (session(), True),
        (replace(session(), live=False), False),
        (replace(session(), state=State.DONE), False),
        (None, False),
    ],
)
async def test_what_was_shown_once_is_not_shown_as_before(found: Session | None, known: bool) -> None:  # noqa: FBT001  a table
    """A session that was read and shown as dead, done or gone is read again the next time, too."""
    bench = Bench()
    bench.recent.made(session())
    bench.recent.seen(ID, found)
    bench.reader.session = found
    assert await bench.known() == found
    assert bench.reader.asked == [("A", "" if known else ID)]
