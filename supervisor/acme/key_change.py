"""keyChange (RFC 8555 7.3.5): an account gets another key. The door's table has the handler.

The request is signed by the old key, the JWS inside it by the new one. The store takes the new key, and lets go of
the old one, in one step that no newAccount with either key can come between.
"""

from __future__ import annotations

from typing import Any

from stages.account import Account
from stages.store import account_moves
from supervisor.acme.accounts import check_not_blocked, check_valid, show_account
from supervisor.acme.desk import Asked, Desk
from supervisor.acme.jose.jwk import Jwk, parse_jwk
from supervisor.acme.jose.jws import Jws, check_url, parse_key_change, payload_object, require_jwk, verify
from supervisor.acme.problems import AcmeProblem
from supervisor.http.message import Response


async def change_key(desk: Desk, asked: Asked) -> Response:
    """Check in the order of the clause, change, and show the account: 200.

    Raises AcmeProblem: 409 with the Location of the account that has the new key already, be it the same account.
    """
    if asked.account is None or asked.sent is None:
        raise AcmeProblem("malformed", "payload: it must be a JWS, signed by the new key (RFC 8555 7.3.5)")
    inner = parse_key_change(asked.payload)
    new = require_jwk(inner)
    verify(inner, new)
    _check_object(inner, asked, desk.urls.account(asked.account.id))
    if new == asked.key:
        raise _in_use(desk, asked.account.id)
    await check_not_blocked(desk, new)
    answer = await desk.move(_move(asked.account, new))
    if answer[:2] == ["refused", "in use"]:
        raise _in_use(desk, answer[2])
    if answer[:2] == ["refused", "key is another"]:
        raise AcmeProblem("unauthorized", "the account's key was changed while this request was on its way")
    check_valid(answer)
    return await show_account(desk, asked.account.id)


def _check_object(inner: Jws, asked: Asked, account_url: str) -> None:
    """RFC 8555 7.3.5 steps 5 to 8: the keyChange object, and that it is meant for this account."""
    sent = payload_object(inner)
    if sent is None:
        raise AcmeProblem("malformed", "payload: the inner JWS must have a keyChange object (RFC 8555 7.3.5)")
    check_url(inner, asked.jws.url)
    if sent.get("account") != account_url:
        raise AcmeProblem("malformed", "account: it is not the URL of the account that signs (RFC 8555 7.3.5)")
    if "oldKey" not in sent:
        raise AcmeProblem("malformed", "oldKey: it is missing (RFC 8555 7.3.5)")
    if parse_jwk(sent["oldKey"]) != asked.key:
        raise AcmeProblem("malformed", "oldKey: it is not the key of the account (RFC 8555 7.3.5)")


def _move(own: Account, new: Jwk) -> list[Any]:
    return account_moves.change_key(own.id, own.thumbprint, new.thumbprint, new.canonical)


def _in_use(desk: Desk, holder: str) -> AcmeProblem:
    return AcmeProblem(
        "malformed",
        "jwk: an account has the new key already; its URL is in the Location header (RFC 8555 7.3.5)",
        status=409,
        headers=[("Location", desk.urls.account(holder))],
    )
