"""Turns what Redis holds of accounts and their credentials into objects, and back. Pure; the store's room uses it.

`account_fields` is also for who makes a move of `account_moves`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from stages.account import Account, AccountStatus
from stages.errors import Refused
from stages.external import Credential
from stages.restriction import Restriction, parse_restriction
from stages.store.records import BOOLS, Garbled

_decode_texts = msgspec.json.Decoder(tuple[str, ...]).decode
_encode = msgspec.json.encode
_RULES: Final = ("names", "deny", "profiles")


def account_fields(
    *,
    jwk: str | None = None,
    contact: Sequence[str] | None = None,
    terms: int | None = None,
    binding: str | None = None,
) -> dict[str, str]:
    """The fields that are given, in their Redis text; what is None stays as it is."""
    fields: dict[str, str] = {}
    if jwk is not None:
        fields["jwk"] = jwk
    if contact is not None:
        fields["contact"] = _texts(contact)
    if terms is not None:
        fields["terms"] = str(terms)
    if binding is not None:
        fields["binding"] = binding
    return fields


def restriction_fields(restriction: Restriction) -> dict[str, str]:
    """The fields of a restriction; all of them, so that one that is lost is not taken for one that allows all."""
    rules = {"names": restriction.names, "deny": restriction.deny, "profiles": restriction.profiles}
    return {field: _texts(texts) for field, texts in rules.items()}


def read_account(account: str, hash_: dict[str, str]) -> Account:
    """The account in a hash `account:<id>`; raises Garbled."""
    try:
        return Account(
            id=account,
            created=int(hash_["created"]),
            status=AccountStatus(hash_["status"]),
            jwk=hash_["jwk"],
            thumbprint=hash_["thumbprint"],
            contact=_decode_texts(hash_.get("contact", "[]")),
            terms=int(hash_.get("terms", "0")),
            eab=hash_.get("eab", ""),
            binding=hash_.get("binding", ""),
            ended=int(hash_.get("ended", "0")),
            restriction=_restriction(hash_) if any(field in hash_ for field in _RULES) else Restriction(),
        )
    except KeyError as error:
        raise Garbled(account, str(error.args[0]), "missing", what="account") from None
    except (ValueError, msgspec.DecodeError, Refused):
        raise Garbled(account, "record", "cannot be read", what="account") from None


def credential_fields(credential: Credential) -> dict[str, str]:
    """The hash `eab:<kid>` of a credential."""
    return {
        "key": credential.key,
        "created": str(credential.created),
        **restriction_fields(credential.restriction),
        "expires": str(credential.expires),
        "single": str(credential.single),
        "used": str(credential.used),
        "withdrawn": str(credential.withdrawn),
        "note": credential.note,
    }


def read_credential(kid: str, hash_: dict[str, str]) -> Credential:
    """The credential in a hash `eab:<kid>`; raises Garbled."""
    try:
        return Credential(
            kid=kid,
            key=hash_["key"],
            created=int(hash_["created"]),
            restriction=_restriction(hash_),
            expires=int(hash_["expires"]),
            single=BOOLS[hash_["single"]],
            used=int(hash_["used"]),
            withdrawn=int(hash_["withdrawn"]),
            note=hash_["note"],
        )
    except KeyError as error:
        raise Garbled(kid, str(error.args[0]), "missing", what="credential") from None
    except (ValueError, msgspec.DecodeError, Refused):
        raise Garbled(kid, "record", "cannot be read", what="credential") from None


def _restriction(hash_: dict[str, str]) -> Restriction:
    names, deny, profiles = (_decode_texts(hash_[field]) for field in _RULES)
    return parse_restriction(names, deny, profiles)


def _texts(texts: Sequence[str]) -> str:
    return _encode(list(texts)).decode()
