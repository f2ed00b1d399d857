"""Looks at everything once, then again at every suspicion, and reports what stays. For `supervisor.fsck`.

Sessions move while they are looked at, so the first look only suspects. Each suspicion is looked at twice more, in one
transaction each and with a pause before it; a breach is what was there every time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final

import anyio
import msgspec

from stages.store.scanning import fingerprint
from stages.store.store import Store
from supervisor.fsck.accounts import AccountReader, judge_account, judge_claim, judge_order
from supervisor.fsck.breach import Breach, Mend
from supervisor.fsck.certificates import judge_certificate, judge_crl
from supervisor.fsck.credentials import CredentialReader, judge_credential
from supervisor.fsck.reading import PAGE, Around, Reader
from supervisor.fsck.sessions import judge_session

LOOKS: Final = 2
"""Further looks at a suspicion."""
_PAUSE: Final = 1.0
"""Seconds before each of them: a revocation's CRL is written, and a commit that was under way is made, by then."""


async def a_moment() -> None:
    """Let what is under way come to its end."""
    await anyio.sleep(_PAUSE)


class Report(msgspec.Struct, frozen=True):
    """What was looked at, how much of it was suspected at first, and the breaches."""

    sessions: int
    certificates: int
    revoked: int
    quarantined: int
    suspected: int
    breaches: tuple[Breach, ...]


class Target(msgspec.Struct, frozen=True):
    """What is looked at again; `kind` is as in `Named`, and "order" (a session beside its account) and "crl"."""

    kind: str
    id: str = ""
    twin: str = ""


async def check(
    store: Store, crl_file: Path, certificates_keep: int, pause: Callable[[], Awaitable[object]] = a_moment
) -> Report:
    """Look whether the laws hold. `certificates_keep` is in seconds; `pause` comes before each further look.

    Raises StoreUnavailable.
    """
    return await _Check(store, crl_file, certificates_keep).run(pause)


class _Check:
    def __init__(self, store: Store, crl_file: Path, certificates_keep: int) -> None:
        self._clock = store.clock
        self._reader = Reader(store)
        self._accounts = AccountReader(store)
        self._credentials = CredentialReader(store)
        self._crl_file = crl_file
        self._keep = certificates_keep
        self._sessions: set[int] = set()
        self._children: set[str] = set()
        self._certificates: dict[str, None] = {}
        self._kids: set[str] = set()
        self._owners: dict[int, str] = {}
        self._suspects: dict[Target, set[Breach]] = {}

    async def run(self, pause: Callable[[], Awaitable[object]]) -> Report:
        around = await self._reader.around()
        await self._walk(around)
        await self._unwalked()
        await self._look_again([Target("crl")], first=True)
        revoked = await self._reader.revoked()
        await self._certified([serial for serial in revoked if serial not in self._certificates])
        sessions, certificates = len(self._sessions), len(self._certificates)
        suspected = sum(map(len, self._suspects.values()))
        for _ in range(LOOKS):
            if self._suspects:
                await pause()
                await self._look_again(list(self._suspects))
        breaches = sorted(
            {breach for found in self._suspects.values() for breach in found}, key=lambda b: (b.law, b.where)
        )
        return Report(sessions, certificates, len(revoked), len(around.quarantined), suspected, tuple(breaches))

    async def _walk(self, around: Around) -> None:
        """By the names of the keys: all that is on record, and what was left without a session."""
        pages: dict[str, list[str]] = {"session": [], "certificate": [], "account": [], "account-key": [], "eab": []}
        async for named in self._reader.names():
            if named.kind == "child":
                if fingerprint(named.id) not in self._sessions:
                    self._children.add(named.id)
            elif named.kind in pages:
                pages[named.kind].append(named.id)
                if len(pages[named.kind]) >= PAGE:
                    await self._page(named.kind, pages[named.kind], around)
                    pages[named.kind] = []
            elif await self._reader.in_flight_unknown(named.id):
                await self._look_again([Target("inflight", named.id)], first=True)
        for kind, page in pages.items():
            await self._page(kind, page, around)

    async def _page(self, kind: str, ids: list[str], around: Around) -> None:
        if kind == "session":
            await self._seen(ids, around)
        elif kind == "certificate":
            await self._certified(ids)
        elif kind == "account" and ids:
            for account in await self._accounts.accounts(ids):
                self._suspect(Target(kind, account.account), judge_account(account))
        elif kind == "eab" and ids:
            self._kids.update(ids)
            for credential in await self._credentials.credentials(ids):
                self._suspect(Target(kind, credential.kid), judge_credential(credential))
        elif ids:
            for claim in await self._accounts.claims(ids):
                self._suspect(Target(kind, claim.thumbprint), judge_claim(claim))

    async def _unwalked(self) -> None:
        """What stands in a list or an index, or belongs to a session, and has no record."""
        missing = [each for each in self._children if fingerprint(each) not in self._sessions]
        async for session in self._reader.listed():
            if fingerprint(session) not in self._sessions:
                self._sessions.add(fingerprint(session))
                missing.append(session)
        await self._look_again([Target("session", session) for session in missing], first=True)
        await self._certified([each async for each in self._reader.indexed() if each not in self._certificates])
        kids = [kid async for kid in self._credentials.indexed() if kid not in self._kids]
        await self._look_again([Target("eab", kid) for kid in kids], first=True)

    async def _seen(self, ids: list[str], around: Around) -> None:
        fresh = list(dict.fromkeys(each for each in ids if fingerprint(each) not in self._sessions))
        self._sessions.update(map(fingerprint, fresh))
        for look in await self._reader.sessions(fresh, around) if fresh else []:
            self._suspect(Target("session", look.session), judge_session(look, self._now(), self._keep))
        for order in await self._accounts.orders(fresh) if fresh else []:
            self._suspect(Target("order", order.session), judge_order(order))

    async def _certified(self, serials: list[str]) -> None:
        fresh = list(dict.fromkeys(each for each in serials if each not in self._certificates))
        self._certificates.update(dict.fromkeys(fresh))
        for start in range(0, len(fresh), PAGE):
            for look in await self._reader.certificates(fresh[start : start + PAGE]):
                owner = look.fields.get("session", "")
                twin = self._owners.setdefault(fingerprint(owner), look.serial) if owner else look.serial
                target = Target("certificate", look.serial, "" if twin == look.serial else twin)
                self._suspect(target, judge_certificate(msgspec.structs.replace(look, twin=target.twin)))

    async def _look_again(self, targets: list[Target], *, first: bool = False) -> None:
        """Look at each; unless this is the first look, what was not found before is not a suspicion now."""
        for target in targets:
            found = set(await self._judge(target))
            if not first:
                before = {(breach.law, breach.where) for breach in self._suspects.pop(target)}
                found = {breach for breach in found if (breach.law, breach.where) in before}
            self._suspect(target, found)

    async def _judge(self, target: Target) -> list[Breach]:
        now = self._now()
        if target.kind == "session":
            return judge_session(await self._reader.session(target.id), now, self._keep)
        if target.kind == "certificate":
            return judge_certificate(await self._reader.certificate(target.id, target.twin))
        if target.kind == "order":
            return list(judge_order((await self._accounts.orders([target.id]))[0]))
        if target.kind == "eab":
            return list(judge_credential((await self._credentials.credentials([target.id]))[0]))
        if target.kind == "account":
            return list(judge_account((await self._accounts.accounts([target.id]))[0]))
        if target.kind == "account-key":
            return list(judge_claim((await self._accounts.claims([target.id]))[0]))
        if target.kind == "crl":
            return judge_crl(await self._reader.crl(self._crl_file), now, self._keep)
        count = await self._reader.in_flight_unknown(target.id)
        detail = f"it holds {count} sessions, and no supervisor of that name is on record"
        where = f"in-flight list {target.id}"
        return [Breach("in-flight list of nobody", where, detail, Mend.HAND)] if count else []

    def _suspect(self, target: Target, found: Iterable[Breach]) -> None:
        if breaches := set(found):
            self._suspects[target] = breaches

    def _now(self) -> int:
        return int(self._clock())
