"""The moves of ACME accounts and their orders, as the group script reads them (`scripts/moves/`). Pure.

They belong to the client's side: none needs a lease, all can be sent twice, and the second time changes nothing and
answers the same. `stages.store.moves` has the moves of sessions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stages.account import AccountStatus
from stages.outcome import Advance
from stages.session import Problem, State
from stages.store.moves import Move, submit
from stages.store.records import challenge_fields, encode_problem


class Limit(msgspec.Struct, frozen=True):
    """At most `count` things in any `per` seconds for `who`, all at once or spread (a generic cell rate algorithm).

    Attributes:
        which: which limit it is, such as "new_orders"; it comes back in the refusal.
        who: whom it is kept for: an account's id, or an address.
        count: 1 or more. The caller leaves out a limit that is off.
        per: seconds, 1 or more.
    """

    which: str
    who: str
    count: int
    per: int


def new_account(
    account: str, thumbprint: str, fields: Mapping[str, str], eab: str, now: int, limits: Sequence[Limit] = ()
) -> Move:
    """Find or create the account with this key (RFC 8555 7.3, 7.3.1); one key has one account, whoever races.

    `account` is a fresh id (`stages.account.new_id`), `fields` come from `account_records.account_fields` (jwk and
    what else there is), `eab` is the kid of the verified binding or "". Answers:

    - ["ok", id, "created"], then the id is `account`
    - ["ok", id, "existing"]: the key's account, which may be deactivated; nothing was written or spent
    - ["refused", "eab unknown" | "eab withdrawn" | "eab expired" | "eab used"]
    - ["refused", "limited", which, seconds until it can succeed]
    """
    whole = {"created": str(now), "status": AccountStatus.VALID.value, "thumbprint": thumbprint, **fields}
    return ["new_account", account, thumbprint, _flat({**whole, "eab": eab}), eab, _limits(limits)]


def update_account(account: str, fields: Mapping[str, str]) -> Move:
    """Change `contact` and `terms` (RFC 8555 7.3.2); `fields` come from `account_records.account_fields`.

    Answers ["ok"] or ["refused", "unknown" | "not valid"].
    """
    return ["update_account", account, _flat(fields)]


def restrict_account(account: str, fields: Mapping[str, str]) -> Move:
    """What the account may ask for from now on, in place of what was.

    `fields` come from `account_records.restriction_fields`; {} takes the restriction away.
    Answers ["ok"] or ["refused", "unknown" | "not valid"].
    """
    return ["restrict_account", account, _flat(fields)]


def deactivate(
    account: str, problem: Problem, keep: int, now: int, status: AccountStatus = AccountStatus.DEACTIVATED
) -> Move:
    """End the account for good (RFC 8555 7.3.6), and cancel all its orders that are live and not done.

    They get the `problem`, and can be looked at for `keep` seconds. The operator gives `status` REVOKED.
    Answers ["ok"] or ["refused", "unknown" | "not valid"]; the latter where it ended before with another status.
    """
    line = f"cancelled: {problem.detail}"
    return ["deactivate", account, status.value, str(now), encode_problem(problem), keep, line]


def change_key(account: str, old_thumbprint: str, new_thumbprint: str, jwk: str) -> Move:
    """The account has another key from now on (RFC 8555 7.3.5); the old one is dead at once.

    Its orders that are not yet at issue expect key authorizations of the new key. Answers:

    - ["ok"]
    - ["refused", "in use", id of the account that has the new key]
    - ["refused", "key is another"]: the account's key is not (any more) the old one
    - ["refused", "unknown" | "not valid"]
    """
    return ["change_key", account, old_thumbprint, new_thumbprint, jwk]


def order(  # noqa: PLR0913  what newOrder says, and what it is checked against
    session: str,
    names: Sequence[str],
    fields: Mapping[str, str],
    now: int,
    account: str,
    limits: Sequence[Limit] = (),
    replaces: str = "",
    *,
    asked: Sequence[str] = (),
    most_open: int = 0,
    made: Advance | None = None,
) -> Move:
    """A new session of an account (RFC 8555 7.4); sent again with the same session id it answers ["ok"].

    `fields` as `moves.submit` takes them (profile, thumbprint ...); `account`, `replaces` and `asked` are added here.
    `replaces` is the serial (hex) of the certificate that this order replaces (RFC 9773 5), or "". `asked` are the
    names as the client spelled them, one for each of `names` in their order, or () where there is no difference.
    A limit is spent only by an order that is made. `most_open` is how many orders without a certificate the account may
    have at once, 0 for any number; they are counted among twice as many of its newest. `made` is what makechallenge
    says of the session: it then begins with its challenges, and waits for its client until they expire. Answers:

    - ["ok"]
    - ["refused", "account"]: there is no such account, or it is not valid
    - ["refused", "unknown certificate"]: what it replaces is not on record, or is another account's
    - ["refused", "other names"]: what it replaces has no name in common with it
    - ["refused", "replaced"]: another order replaces it, or has done so
    - ["refused", "limited", which, seconds until it can succeed]
    - ["refused", "open"]: there are `most_open` already
    - ["refused", "no names"]
    """
    more = {"account": account}
    if replaces:
        more["replaces"] = replaces
    if asked and tuple(asked) != tuple(names):
        more["asked"] = ",".join(asked)
    rows: list[Any] | bool = False
    line = ""
    if made is not None:
        rows = [[challenge.n, challenge_fields(challenge)] for challenge in made.writes.challenges]
        more |= made.writes.fields
        more |= {"state": State.TESTCHALLENGE.value, "challenges": str(len(rows)), "waiting": more["expires"]}
        line = f"{State.MAKECHALLENGE} > {State.TESTCHALLENGE}: {made.note}"
    _, _, flat, listed = submit(session, names, {**fields, **more}, now)
    return ["order", session, flat, listed, account, replaces, _limits(limits), most_open, rows, line]


def renew_by(serial: str, start: int, end: int) -> Move:
    """The operator's renewal window of a certificate on record (RFC 9773 4.2), in unix time; 0 and 0 take it away.

    Answers ["ok"] or ["refused", "unknown"].
    """
    return ["renew_by", serial, str(start), str(end)]


def create_credential(kid: str, fields: Mapping[str, str], now: int) -> Move:
    """Put a credential on record; `stages.store.accounts.create_credential` makes and sends it.

    Answers ["ok"], or ["refused", "exists"] where the kid is another credential's.
    """
    return ["create_credential", kid, _flat(fields), now]


def withdraw_credential(kid: str, at: int) -> Move:
    """From now on no account can be made with it. Answers ["ok"] or ["refused", "unknown"]."""
    return ["withdraw_credential", kid, str(at)]


def _limits(limits: Sequence[Limit]) -> list[list[Any]]:
    for limit in limits:
        if limit.count < 1 or limit.per < 1:
            raise ValueError(f"limit {limit.which}: count and per are at least 1")
    return [[limit.which, limit.who, limit.count, limit.per] for limit in limits]


def _flat(fields: Mapping[str, str]) -> list[str]:
    return [text for pair in fields.items() for text in pair]
