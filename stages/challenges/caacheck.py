"""Asks DNS, for all names of a session, whether their owners permit the certificate (RFC 8659 3).

The issue stage gets a `CaaCheck` by its door and calls it right before it writes the intent, so what it finds is
never older than the certificate's own issuance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import anyio
import msgspec

from stages.challenges.caa import Asked, CaaRecord, judge
from stages.challenges.evidence import Fault, printable
from stages.challenges.resolving import Resolver
from stages.names import parse_name
from stages.outcome import Reject, Retry
from stages.session import Problem, Session

AT_ONCE: Final = 16
"""Lookups under way at once for one session."""

AGAIN, AGAIN_AT_MOST = 10.0, 300.0
"""Seconds until the next try after a fault of DNS; doubled each time, up to the second."""


class CaaSettings(msgspec.Struct, frozen=True):
    """Whether CAA records are looked up, and the issuer domain names by which they mean this CA."""

    check: bool = False
    identities: tuple[str, ...] = ()


class CaaCheck:
    """The check.

    Args:
        resolver: what answers about names; asked each time, so that a reload takes effect.
        settings: see `CaaSettings`; asked each time.
        account_url: from an account's id to its URL (RFC 8657 3.1), "" where there is none.
    """

    def __init__(
        self,
        resolver: Callable[[], Resolver],
        settings: Callable[[], CaaSettings],
        account_url: Callable[[str], str],
    ) -> None:
        self._resolver = resolver
        self._settings = settings
        self._account_url = account_url

    async def __call__(self, session: Session, methods: Mapping[str, tuple[str, ...]]) -> Retry | Reject | None:
        """Return None when all names may be certified; Reject("caa") when one may not; Retry when DNS fails.

        Args:
            session: its names are asked about; addresses have no CAA records.
            methods: the labels of the challenges by which each name is proven.
        """
        settings = self._settings()
        names = [name for name in map(parse_name, session.names) if name.kind == "dns"]
        if not settings.check or not names:
            return None
        try:
            found = await look_up(self._resolver(), {name.base for name in names})
        except Fault as fault:
            return _failed(session, fault)
        identities = tuple(identity.lower() for identity in settings.identities)
        account_url = self._account_url(session.account) if session.account else ""
        for name in names:
            owner, records = relevant(found, name.base)
            asked = Asked(
                identities=identities,
                account_url=account_url,
                methods=methods.get(name.value, ()),
                wildcard=name.wildcard,
            )
            if why := judge(records, asked):
                detail = f"{name.value}: the CAA records of {owner} forbid the certificate: {why}"
                return Reject(Problem("caa", printable(detail)))
        return None


def _failed(session: Session, fault: Fault) -> Retry | Reject:
    """RFC 8659 does not let a CA issue when it cannot know."""
    detail = printable(f"the CAA records could not be looked up: {fault.detail}")
    if fault.lasting:
        return Reject(Problem(fault.kind, detail))
    # bounded before it is doubled: a stage may have been tried very often
    return Retry(min(AGAIN * 2.0 ** min(session.attempts, 10), AGAIN_AT_MOST), detail, kind=fault.kind)


async def look_up(resolver: Resolver, names: set[str]) -> dict[str, tuple[CaaRecord, ...]]:
    """Return the CAA records of the names and, where there are none, of those above them, up to the top level.

    Each name is looked up once, however many lie below it.

    Raises:
        Fault: a lookup failed; the others are given up.
    """
    found: dict[str, tuple[CaaRecord, ...]] = {}
    asking = names
    while asking:
        found |= await _look_up_all(resolver, asking)
        asking = {above for name in asking if not found[name] and (above := parent(name))} - found.keys()
    return found


async def _look_up_all(resolver: Resolver, names: set[str]) -> dict[str, tuple[CaaRecord, ...]]:
    found: dict[str, tuple[CaaRecord, ...]] = {}
    faults: list[Fault] = []
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def ask(name: str) -> None:
        async with limit:
            try:
                found[name] = await resolver.caa(name)
            except Fault as fault:
                faults.append(fault)
                group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for name in sorted(names):
            group.start_soon(ask, name)
    if faults:
        raise faults[0]
    return found


def relevant(found: Mapping[str, tuple[CaaRecord, ...]], name: str) -> tuple[str, tuple[CaaRecord, ...]]:
    """Return the name whose records decide about `name`, and those records; "" and none where nobody has any."""
    while name and not found[name]:
        name = parent(name)
    return name, found.get(name, ())


def parent(name: str) -> str:
    """The name above, "" above a top-level name: the root is not asked (RFC 8659 3)."""
    return name.partition(".")[2]
