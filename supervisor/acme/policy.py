"""What an account may ask for: the CA's own rules and those of its credential (RFC 8555 7.3.4). Pure; newOrder asks.

Both have to allow a name. Each refused name is one subproblem (RFC 8555 6.7.1), so that its client can leave out just
that one. What a credential forbids is asked here only, the CA's own rules again when the certificate is issued.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from stages.external import Credential
from stages.name_policy import NamePolicy
from stages.names import parse_name
from supervisor.acme.problems import AcmeProblem, Subproblem


def check_names(
    names: Sequence[str],
    policy: NamePolicy,
    credential: Credential | None,
    asked: Mapping[str, str] | None = None,
) -> None:
    """Raise AcmeProblem("rejectedIdentifier") with one subproblem for each name that is not allowed.

    `names` have passed `stages.names.parse_name`; `asked` says how the client spelled those it spelled otherwise.
    More names than names.max_names are malformed.
    """
    if len(names) > policy.max_names:
        raise AcmeProblem("malformed", f"identifiers: {len(names)} are given, at most {policy.max_names} are allowed")
    refused = [(name, reason) for name, reason in policy.verdicts(names) if reason is not None]
    bound = credential.policy() if credential is not None else None
    if bound is not None:
        known = {name for name, _ in refused}
        others = [name for name in names if name not in known]
        # The reason would name a setting that is not the credential's, and its rules are the operator's business.
        refused += [
            (name, "not covered by the names that this account's external account may ask for")
            for name, reason in bound.verdicts(others)
            if reason is not None
        ]
    if refused:
        raise _rejected(names, dict(refused), asked or {})


def check_profile(asked: str, profiles: Collection[str], default: str, credential: Credential | None) -> str:
    """The profile of an order that asks for `asked`, "" for none; raises AcmeProblem("invalidProfile").

    `profiles` are those of the configuration, in its order. An order that asks for none gets `default`, or the first
    that its credential allows.
    """
    allowed = [name for name in profiles if credential is None or credential.allows_profile(name)]
    if not asked:
        if default in allowed:
            return default
        if allowed:
            return allowed[0]
        raise AcmeProblem("invalidProfile", "profile: this account's external account may use no profile of this CA")
    if asked not in profiles:
        raise AcmeProblem("invalidProfile", "profile: this CA has no profile of that name; the directory lists them")
    if asked not in allowed:
        raise AcmeProblem("invalidProfile", "profile: this account's external account may not ask for it")
    return asked


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
