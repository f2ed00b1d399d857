"""The first stage: one challenge for each name and each type that fits it. Pure but for the random source.

Wildcards can be proven by DNS records only (RFC 8555 7.1.3), IP addresses never by them (RFC 8738 7). The front door
makes the challenges of an order by the same function (docs/decisions/0015-order-with-challenges.md).
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Final

import msgspec

from stages.errors import Refused
from stages.names import parse_name
from stages.outcome import Advance, Outcome, Reject, Writes
from stages.session import OFFERED, Challenge, ChallengeData, ChallengeType, Problem, Session


class MakeChallengeSettings(msgspec.Struct, frozen=True):
    """The types on offer, in order; seconds for which challenges can be answered; bytes of a token (16 or more)."""

    types: tuple[ChallengeType, ...]
    expires: int
    token_bytes: int


_BY_DNS: Final = frozenset({ChallengeType.DNS_01, ChallengeType.DNS_ACCOUNT_01})


def fits(kind: ChallengeType, name: str) -> bool:
    """Whether a challenge of this type can prove this name; the types of 2012 that are not on offer prove nothing."""
    if kind not in OFFERED:
        return False
    parsed = parse_name(name)
    if parsed.wildcard:
        return kind in _BY_DNS
    return not (parsed.kind == "ip" and kind in _BY_DNS)


def _offered(kind: ChallengeType, session: Session) -> bool:
    """Whether the session can use the type: a name of the account's own needs an account."""
    return kind is not ChallengeType.DNS_ACCOUNT_01 or bool(session.account)


class MakeChallenge:
    """The stage; doing it again changes nothing, since the challenges made first stay."""

    def __init__(
        self,
        settings: Callable[[], MakeChallengeSettings],
        clock: Callable[[], float],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._random_bytes = random_bytes

    async def __call__(self, session: Session) -> Outcome:
        """Advance with the challenges, or Reject when a name cannot be proven in any way on offer."""
        if session.challenges:
            return Advance(note="challenges were made before")
        try:
            return make_challenges(session, self._settings(), int(self._clock()), self._random_bytes)
        except Refused as refused:  # the front door took it, or somebody else wrote it
            return Reject(Problem(refused.kind, f"{refused.field}: {refused.reason}"))


def make_challenges(
    session: Session, settings: MakeChallengeSettings, now: int, random_bytes: Callable[[int], bytes]
) -> Advance:
    """The challenges of a session that has none yet; `now` in unix seconds.

    Raises Refused("rejectedIdentifier" | "malformed", <name> | "names", ...) where a name cannot be proven in any way
    on offer, is no name, or there is none.
    """
    types = [kind for kind in settings.types if _offered(kind, session)]
    challenges: list[Challenge] = []
    for name in session.names:
        fitting = [kind for kind in types if fits(kind, name)]
        if not fitting:
            raise Refused("rejectedIdentifier", name, "no challenge type on offer can prove it")
        challenges += [
            Challenge(
                n=len(challenges) + offset,
                challtime=now,
                type=kind,
                name=name,
                satisfied=False,
                failed=False,
                data=ChallengeData(_token(random_bytes(settings.token_bytes))),
            )
            for offset, kind in enumerate(fitting, 1)
        ]
    if not challenges:
        raise Refused("malformed", "names", "the session asks for none")
    fields = {"expires": str(now + settings.expires)}
    return Advance(Writes(fields=fields, challenges=tuple(challenges)), note=f"{len(challenges)} challenges")


def _token(random: bytes) -> str:
    return base64.urlsafe_b64encode(random).rstrip(b"=").decode()
