"""One attempt at one challenge, from deadline to record: what the testchallenge stage calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from stages.challenges.dns01 import dns01
from stages.challenges.dnsaccount01 import dnsaccount01
from stages.challenges.evidence import Fault, Trail
from stages.challenges.http01 import http01
from stages.challenges.resolving import Resolver
from stages.challenges.settings import Claim, Tools, ValidationSettings, make_tools
from stages.challenges.tlsalpn01 import tlsalpn01
from stages.session import ChallengeType, ValidationRecord

VALIDATORS: Final[dict[ChallengeType, Callable[[Tools, Claim, Trail], Awaitable[None]]]] = {
    ChallengeType.HTTP_01: http01,
    ChallengeType.DNS_01: dns01,
    ChallengeType.TLS_ALPN_01: tlsalpn01,
    ChallengeType.DNS_ACCOUNT_01: dnsaccount01,
}
"""One function for each type on offer; it returns when the proof was found and raises `Fault` otherwise."""


class Validators:
    """Tests challenges.

    Args:
        settings: see `ValidationSettings`.
        resolver: what answers about names; None for the one that the settings name.
        clock: unix time in seconds.

    Raises:
        Refused: kind "malformed", when the settings cannot be read.
    """

    def __init__(self, settings: ValidationSettings, resolver: Resolver | None, clock: Callable[[], float]) -> None:
        self._resolver = resolver
        self._clock = clock
        self._tools = make_tools(settings, resolver)

    @property
    def resolver(self) -> Resolver:
        """What answers about names, by the settings of now."""
        return self._tools.resolver

    def reload(self, settings: ValidationSettings) -> None:
        """Use other settings from the next attempt on; those under way end with the old ones.

        Raises:
            Refused: the settings cannot be read; the old ones stay.
        """
        self.prepare(settings)()

    def prepare(self, settings: ValidationSettings) -> Callable[[], None]:
        """As `reload`, but the new settings count from when the answer is called, which cannot fail."""
        tools = make_tools(settings, self._resolver)

        def put() -> None:
            self._tools = tools

        return put

    async def validate(
        self, challenge_type: ChallengeType, name: str, token: str, key_authorization: str, account_url: str = ""
    ) -> ValidationRecord:
        """Make one attempt and return its evidence, whatever the network does; cancellation passes through.

        A record's `lasting` is True after a definite answer that is not the proof, False after none or a "not
        now" (`Fault.lasting` has the list).

        Args:
            challenge_type: one of `stages.session.OFFERED`; for others the record says "malformed".
            name: the identifier: a DNS name, with "*." for those of DNS records only, or an IP address.
            token: the challenge's token.
            key_authorization: token, dot, thumbprint (RFC 8555 8.1).
            account_url: the URL of the ACME account that has to prove it; "" without one.
        """
        tools = self._tools
        at, began = int(self._clock()), anyio.current_time()
        trail = Trail()
        fault = await _attempt(tools, challenge_type, Claim(name, token, key_authorization, account_url), trail)
        if fault:
            trail.saw(fault.detail)
        return ValidationRecord(
            at=at,
            took=round((anyio.current_time() - began) * 1000),
            ok=fault is None,
            hops=tuple(trail.hops),
            error=fault.problem if fault else None,
            lasting=fault.lasting if fault else False,
        )


async def _attempt(tools: Tools, kind: ChallengeType, claim: Claim, trail: Trail) -> Fault | None:
    """Run one validator within the deadline; return what went wrong."""
    validator = VALIDATORS.get(kind)
    if validator is None:
        return Fault("malformed", f"challenges of the type {kind.label} are not tested", lasting=True)
    with anyio.move_on_after(tools.settings.timeout):
        try:
            await validator(tools, claim, trail)
        except Fault as fault:
            return fault
        return None
    detail = f"timed out after {tools.settings.timeout:g} s while {trail.phase}"
    return Fault(trail.kind, detail, lasting=False)
