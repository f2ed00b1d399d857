"""The clients' side of a run: submits requests of several kinds, follows each to its end, and notes what it was told.

Every call is repeated until it is acknowledged, as a client would; only then is it told (`Told`). Moves can be
repeated harmlessly, so a call whose answer was lost is simply made again.
"""

from __future__ import annotations

import copy
import random
import time
from typing import Any, Final, NamedTuple, Self

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace

from benchmarks.torturing.peer import ALSO_GOOD, BAD, FLAKY, GOOD, SLOW
from stages.ca.csr import check_csr, thumbprint
from stages.ca.intent import make_intent
from stages.ca.issuer import Issuer
from stages.ca.key_policy import KeyPolicy
from stages.ca.profiles import Profile
from stages.makechallenge import MakeChallengeSettings, make_challenges
from stages.session import ChallengeType, Session, State
from stages.store import account_moves, moves
from stages.store.account_records import account_fields
from stages.store.reading import read_whole
from stages.store.store import Store
from tests.harness.authority import make_csr


class Kind(NamedTuple):
    """A kind of client. Without `scheduled` it says "ready", brings its CSR late and thanks for its certificate.

    One that `orders` has an account, and its moves are those of the front door: its session begins with its challenges,
    and the CSR brings its intent, another one each time that it is sent. Those of form `door` come by the door itself.
    """

    names: tuple[str, ...]
    scheduled: bool = True
    end: str = "done"
    orders: bool = False


KINDS: Final = {
    "plain": Kind((GOOD,)),
    "several": Kind((GOOD, ALSO_GOOD)),
    "flaky": Kind((FLAKY,)),
    "slow": Kind((SLOW,)),
    "late": Kind((GOOD,), scheduled=False, end="retired"),
    "acme": Kind((GOOD, ALSO_GOOD), scheduled=False, end="retired", orders=True),
    "bad": Kind((BAD,), scheduled=False, end="rejected"),
    "door": Kind((GOOD, ALSO_GOOD), scheduled=False, end="retired"),
    "given up": Kind((GOOD, ALSO_GOOD), scheduled=False, end="rejected"),
}
MIX: Final = ("plain",) * 4 + ("several", "flaky", "slow", "slow", "late", "acme", "acme", "bad")
ACCOUNT: Final = "A" * 22
_AT_ONCE: Final = 100
_CHALLENGES: Final = MakeChallengeSettings((ChallengeType.HTTP_01,), 86_400, 32)
_PROFILE: Final = Profile(name="default", validity_seconds=30 * 86_400)


class Told(msgspec.Struct):
    """What clients were told about one session, each only after it was acknowledged or read."""

    kind: str
    submitted: bool = False
    ready: set[int] = msgspec.field(default_factory=set)
    finalized: bool = False
    certificate: str = ""
    end: str = ""


class Clients:
    """All clients of a run; `chance` gives their ids, so that a run can be replayed. `idle` ones bring no CSR.

    `issuer` is the CA's, for the intents of those that order.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._csrs = {kind: make_csr(self._key, list(KINDS[kind].names)) for kind in KINDS}
        self.thumbprint = thumbprint(self._csrs["plain"])
        self.told: dict[str, Told] = {}
        self.revoked: set[str] = set()
        self.idle = False
        self.issuer: Issuer | None = None

    def branch(self, chance: random.Random) -> Self:
        """The same clients, to go on in another way."""
        other = copy.copy(self)
        other.chance, other.told, other.revoked = chance, copy.deepcopy(self.told), set(self.revoked)
        other.idle = False
        return other

    def plan(self, *kinds: str) -> list[str]:
        """New requests, to be submitted from now on."""
        made = [self.chance.randbytes(32).hex() for _ in kinds]
        self.told.update({session: Told(kind) for session, kind in zip(made, kinds, strict=True)})
        return made

    def plan_mixed(self, count: int) -> list[str]:
        """That many of all kinds."""
        return self.plan(*(self.chance.choice(MIX) for _ in range(count)))

    def open(self) -> list[str]:
        """Those whose end is not known yet."""
        return [session for session, told in self.told.items() if not told.end]

    async def step(self, store: Store) -> None:
        """One look at every open request, and what its client does next. Raises StoreUnavailable."""
        await self._submit(store)
        waiting = [session for session in self.open() if self.told[session].submitted]
        for start in range(0, len(waiting), _AT_ONCE):
            part = waiting[start : start + _AT_ONCE]
            pipe = store.redis.pipeline(transaction=False)
            for session in part:
                pipe.hmget(store.keys.session(session), "live", "state", "waiting", "cert", "delivery")
            for session, found in zip(part, await store.call(pipe.execute()), strict=True):
                await self._follow(store, session, [(value or b"").decode() for value in found])

    async def _submit(self, store: Store) -> None:
        new = [session for session, told in self.told.items() if not told.submitted]
        now = int(time.time())
        for start in range(0, len(new), _AT_ONCE):
            part = new[start : start + _AT_ONCE]
            account = account_moves.new_account(ACCOUNT, self.thumbprint, account_fields(jwk="{}"), "", now)
            batch = [account, *(self._request(session, now) for session in part)]
            results = (await store.group(batch, announce=True)).results or [[]]
            for session, result in zip(part, results[1:], strict=True):
                self.told[session].submitted = result == ["ok"]

    def _request(self, session: str, now: int) -> moves.Move:
        kind = self.told[session].kind
        fields = {"thumbprint": self.thumbprint, "scheduled": str(KINDS[kind].scheduled)}
        if KINDS[kind].scheduled:
            fields["csr"] = self._csrs[kind]
        if KINDS[kind].orders:
            bare = Session(
                id=session, created=now, live=True, state=State.MAKECHALLENGE, names=KINDS[kind].names, account=ACCOUNT
            )
            made = make_challenges(bare, _CHALLENGES, now, self.chance.randbytes)
            return account_moves.order(session, bare.names, fields, now, ACCOUNT, made=made)
        return moves.submit(session, KINDS[kind].names, fields, now)

    async def _follow(self, store: Store, session: str, found: list[str]) -> None:
        live, state, waiting, certificate, delivery = found
        told = self.told[session]
        scheduled = KINDS[told.kind].scheduled
        if live == "False":
            told.end = "retired" if certificate else "rejected"
        elif state == "done":
            told.certificate = told.certificate or certificate
            if scheduled:
                told.end = "done" if waiting else ""
            elif delivery != "confirmed":
                await store.move(moves.deliver(session, "sent" if delivery == "issued" else "confirmed"))
        elif not scheduled and waiting:
            await self._act(store, session, state, told)

    async def _act(self, store: Store, session: str, state: str, told: Told) -> None:
        if state == "issue":
            if self.idle:
                return
            told.finalized |= await store.move(self._finalize(session, told.kind)) == ["ok"]
        elif state == "testchallenge" and (whole := await read_whole(store, session)):
            for move in _readies(whole):
                if await store.move(move) == ["ok"]:
                    told.ready.add(move[2])

    def _finalize(self, session: str, kind: str) -> moves.Move:
        csr, names = self._csrs[kind], KINDS[kind].names
        if not KINDS[kind].orders:
            return moves.finalize(session, csr)
        assert self.issuer is not None  # noqa: S101  the scene has set it
        checked, now = check_csr(csr, names, KeyPolicy()), int(time.time())
        intent = make_intent(names, checked, _PROFILE, self.issuer, now, self.chance.randbytes)
        return moves.finalize(session, csr, checked.spki_sha256, intent.serial, intent.to_json())


def _readies(session: Session) -> list[Any]:
    now = int(time.time())
    return [
        moves.ready(session.id, challenge.n, challenge.data, replace(challenge.data, ready=now))
        for challenge in session.challenges
        if not challenge.data.ready
    ]
