"""What an account may ask for: the CA's rules, those of its credential (RFC 8555 7.3.4), and its own. Pure.

All have to allow a name. Each refused name is one subproblem (RFC 8555 6.7.1), so that its client can leave out just
that one. newOrder asks; `entitlement` asks again before a certificate is issued.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from stages.account import Account
from stages.external import Credential
from stages.name_policy import NamePolicy
from stages.names import parse_name
from stages.restriction import Restriction
from supervisor.acme.problems import AcmeProblem, Subproblem


class Bound(NamedTuple):
    """A restriction, and whose it is in words for the client."""

    whose: str
    restriction: Restriction


def bounds_of(account: Account, credential: Credential | None) -> tuple[Bound, ...]:
    """What binds an account; `credential` is the one that it was made with."""
    bounds = [Bound("this account", account.restriction)]
    if credential is not None:
        bounds.append(Bound("this account's external account", credential.restriction))
    return tuple(bound for bound in bounds if bound.restriction)


def check_names(
    names: Sequence[str], policy: NamePolicy, bounds: Sequence[Bound], asked: Mapping[str, str] | None = None
) -> None:
    """Raise AcmeProblem("rejectedIdentifier") with one subproblem for each name that is not allowed.

    `names` have passed `stages.names.parse_name`; `asked` says how the client spelled those it spelled otherwise.
    More names than names.max_names are malformed.
    """
    if len(names) > policy.max_names:
        raise AcmeProblem("malformed", f"identifiers: {len(names)} are given, at most {policy.max_names} are allowed")
    refused = {name: reason for name, reason in policy.verdicts(names) if reason is not None}
    refused = names_out_of_bounds(names, bounds) | refused
    if refused:
        raise _rejected(names, refused, asked or {})


def names_out_of_bounds(names: Sequence[str], bounds: Sequence[Bound]) -> dict[str, str]:
    """Each name that a bound does not allow, with the reason of the first such bound."""
    refused: dict[str, str] = {}
    for bound in bounds:
        policy = bound.restriction.policy()
        for name, verdict in policy.verdicts(names) if policy else ():
            if verdict is not None:
                # The verdict would name a setting that is not the bound's, and its rules are the operator's business.
                refused.setdefault(name, f"not one of the names that {bound.whose} may ask for")
    return refused


def check_profile(asked: str, profiles: Collection[str], default: str, bounds: Sequence[Bound]) -> str:
    """The profile of an order that asks for `asked`, "" for none; raises AcmeProblem("invalidProfile").

    `profiles` are those of the configuration, in its order. An order that asks for none gets `default`, or the first
    that all `bounds` allow.
    """
    if not asked:
        allowed = [name for name in profiles if profile_out_of_bounds(name, bounds) is None]
        if default in allowed:
            return default
        if allowed:
            return allowed[0]
        raise AcmeProblem("invalidProfile", "profile: this account may use no profile of this CA")
    if asked not in profiles:
        raise AcmeProblem("invalidProfile", "profile: this CA has no profile of that name; the directory lists them")
    if bound := profile_out_of_bounds(asked, bounds):
        raise AcmeProblem("invalidProfile", f"profile: {bound.whose} may not ask for it")
    return asked


def profile_out_of_bounds(profile: str, bounds: Sequence[Bound]) -> Bound | None:
    """The first bound that does not allow the profile; None where all do."""
    return next((bound for bound in bounds if not bound.restriction.allows_profile(profile)), None)


def _rejected(names: Sequence[str], refused: Mapping[str, str], asked: Mapping[str, str]) -> AcmeProblem:
    subproblems = [
        Subproblem("rejectedIdentifier", refused[name], _identifier(name, asked)) for name in names if name in refused
    ]
    return AcmeProblem(
        "rejectedIdentifier",
        f"identifiers: {len(refused)} of {len(names)} are not allowed here; the subproblems say which, and why",
        subproblems=subproblems,
    )


def _identifier(name: str, asked: Mapping[str, str]) -> dict[str, str]:
    return {"type": parse_name(name).kind, "value": asked.get(name, name)}
