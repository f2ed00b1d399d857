"""newAccount and the account resource (RFC 8555 7.3 to 7.3.6). The door's table has both handlers.

Each answer shows what is on record after the change, so that nothing stale is ever served.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from stages.account import Account, AccountStatus, new_id, parse_contacts
from stages.errors import Refused
from stages.external import CredentialState
from stages.session import Problem
from stages.store import account_moves
from stages.store.account_records import account_fields
from stages.store.accounts import blocked_keys
from supervisor.acme import binding
from supervisor.acme.binding import Binding, verify_binding
from supervisor.acme.counting import counted
from supervisor.acme.desk import Asked, Desk
from supervisor.acme.jose.jwk import Jwk, jwk_from_text
from supervisor.acme.problems import AcmeProblem, from_status
from supervisor.acme.urls import Urls
from supervisor.config.acme import Acme
from supervisor.http.message import Response

CANCELLED: Final = Problem("unauthorized", "the client deactivated the account of this order")
"""Why the orders of a deactivated account are dead (RFC 8555 7.3.6)."""


def account_object(urls: Urls, account: Account) -> dict[str, Any]:
    """The account object (RFC 8555 7.1.2), and `key` as clients know it from other servers."""
    made: dict[str, Any] = {
        "status": account.status.value,
        "contact": list(account.contact),
        "orders": urls.orders(account.id),
        "key": jwk_from_text(account.jwk).members,
    }
    if account.terms:
        made["termsOfServiceAgreed"] = True
    if account.binding:
        made["externalAccountBinding"] = binding.shown(account.binding)
    return made


async def new_account(desk: Desk, asked: Asked) -> Response:
    """Find or create the account of the key that signs (RFC 8555 7.3, 7.3.1): 200 or 201.

    Members that are not known here, `status` and `orders` among them, are ignored.
    """
    if asked.sent is None:
        raise AcmeProblem("malformed", "payload: it is empty; newAccount needs a JSON object (RFC 8555 7.3)")
    only_existing = _flag(asked.sent, "onlyReturnExisting")
    holder = await desk.reader.holder(asked.key.thumbprint)
    if holder is not None:
        return _found(desk, holder)
    if only_existing:
        raise AcmeProblem("accountDoesNotExist", "there is no account with this key (RFC 8555 7.3.1)")
    return await _create(desk, asked, asked.sent)


async def account(desk: Desk, asked: Asked) -> Response:
    """Show, update or deactivate the account that signs (RFC 8555 7.3.2, 7.3.6).

    Only `contact` can be changed; changes of anything else are ignored, as 7.3.2 wants it.
    """
    own = own_account(asked)
    sent = asked.sent or {}
    if sent.get("status") == AccountStatus.DEACTIVATED.value:
        now = int(desk.clock())
        answer = await desk.move(account_moves.deactivate(own.id, CANCELLED, desk.domain().keep, now))
        check_valid(answer)
    elif "contact" in sent:
        fields = account_fields(contact=_contacts(sent))
        check_valid(await desk.move(account_moves.update_account(own.id, fields)))
    return await show_account(desk, own.id)


def own_account(asked: Asked) -> Account:
    """The account that signs, which has to be the one in the path; the same answer for another's and for none."""
    if asked.account is None or asked.ids[:1] != (asked.account.id,):
        raise AcmeProblem("unauthorized", "kid: this is not the URL of the account that signs the request")
    return asked.account


async def show_account(desk: Desk, id_: str, status: int = 200) -> Response:
    """The account as it is now on record."""
    found, _ = await desk.reader.look(id_, "")
    if found is None:
        raise AcmeProblem("accountDoesNotExist", "there is no such account")
    return _response(desk, found, status)


def check_valid(answer: list[Any]) -> None:
    """Raise AcmeProblem for an account that another request ended while this one was on its way (RFC 8555 7.3.6)."""
    if answer[0] != "ok":
        raise AcmeProblem("unauthorized", "the account is not valid any more (RFC 8555 7.3.6)", status=401)


async def check_not_blocked(desk: Desk, key: Jwk) -> None:
    """Raise AcmeProblem("badPublicKey") for a key on the operator's list, or one that was revoked as compromised."""
    digest = hashlib.sha256(key.spki_der).hexdigest()
    if digest in desk.domain().keys.blocked_spki or digest in await blocked_keys(desk.store):
        raise AcmeProblem("badPublicKey", "jwk: the key is on this CA's list of blocked keys")


async def _create(desk: Desk, asked: Asked, sent: dict[str, Any]) -> Response:
    settings, now = desk.settings(), int(desk.clock())
    contact = _contacts(sent) if "contact" in sent else ()
    agreed = _flag(sent, "termsOfServiceAgreed")
    if settings.terms_url and not agreed:
        raise _terms_needed(settings)
    await check_not_blocked(desk, asked.key)
    bound = await _bound(desk, asked, sent, now)
    fields = account_fields(
        jwk=asked.key.canonical, contact=contact, terms=now if agreed else 0, binding=bound.text or None
    )
    answer = await desk.move(
        account_moves.new_account(
            new_id(desk.random_bytes), asked.key.thumbprint, fields, bound.kid, now, _limits(settings, asked)
        )
    )
    if answer[0] == "refused":
        raise _refused(answer)
    found, _ = await desk.reader.look(answer[1], "")
    if found is None:
        raise AcmeProblem("serverInternal", "the account was made and cannot be found")
    # Another request may have made the account of the same key in between: then it is found, not created.
    return _response(desk, found, 201) if answer[2] == "created" else _found(desk, found)


async def _bound(desk: Desk, asked: Asked, sent: dict[str, Any], now: int) -> Binding:
    """The binding; one that is sent is verified even where none is needed (RFC 8555 7.3.4)."""
    if binding.FIELD in sent:
        return await verify_binding(desk.store, sent[binding.FIELD], asked.jws, asked.key, now)
    if desk.settings().eab_required:
        raise AcmeProblem("externalAccountRequired", f"{binding.FIELD}: a new account needs one (RFC 8555 7.3.4)")
    return binding.NONE


def _found(desk: Desk, holder: Account) -> Response:
    if holder.status is not AccountStatus.VALID:
        raise AcmeProblem("unauthorized", f"the account of this key is {holder.status.value}", status=401)
    return _response(desk, holder, 200)


def _response(desk: Desk, found: Account, status: int) -> Response:
    headers = [("Content-Type", "application/json"), ("Location", desk.urls.account(found.id))]
    if terms := desk.settings().terms_url:
        headers.append(_terms_link(terms))
    return Response(status=status, body=msgspec.json.encode(account_object(desk.urls, found)), headers=headers)


def _terms_needed(settings: Acme) -> AcmeProblem:
    return AcmeProblem(
        "userActionRequired",
        "termsOfServiceAgreed: it has to be true; the terms are at the URL in the Link header (RFC 8555 7.3)",
        headers=[_terms_link(settings.terms_url)],
        members={"instance": settings.terms_url},
    )


def _terms_link(url: str) -> tuple[str, str]:
    return ("Link", f'<{url}>;rel="terms-of-service"')


def _limits(settings: Acme, asked: Asked) -> list[account_moves.Limit]:
    limit = settings.limits.new_accounts
    if not limit.count:
        return []
    request = asked.request
    who = counted(request.peer, request.headers.get("x-forwarded-for", ""), settings.trusted_proxies)
    return [account_moves.Limit("new_accounts", who, limit.count, limit.per)]


def _refused(answer: list[Any]) -> AcmeProblem:
    """What the store's step refused; a credential may have been used up or withdrawn since it was read."""
    why = answer[1]
    if why == "limited":
        return from_status(429, "too many new accounts from this address", [("Retry-After", str(answer[3]))])
    if why.startswith("eab "):
        state = why.removeprefix("eab ")
        detail = binding.ENDED[CredentialState(state)] if state in set(CredentialState) else binding.UNKNOWN
        return AcmeProblem("unauthorized", detail)
    return AcmeProblem("serverInternal", "the account could not be made")


def _contacts(sent: dict[str, Any]) -> tuple[str, ...]:
    value = sent["contact"]
    if not isinstance(value, list):
        raise Refused("malformed", "contact", "it is not a list of URLs")
    return parse_contacts(value)


def _flag(sent: dict[str, Any], member: str) -> bool:
    value = sent.get(member, False)
    if not isinstance(value, bool):
        raise AcmeProblem("malformed", f"{member}: it is neither true nor false")
    return value
