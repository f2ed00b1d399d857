"""Accounts and credentials as Redis holds them, there and back."""

from __future__ import annotations

import pytest

from stages.account import Account, AccountStatus
from stages.external import make_credential
from stages.restriction import Restriction
from stages.store.account_records import (
    account_fields,
    credential_fields,
    read_account,
    read_credential,
    restriction_fields,
)
from stages.store.records import Garbled

RESTRICTION = Restriction(("a.example",), ("x.a.example", "10.0.0.0/8"), ("server",))
HASH = {"created": "5", "status": "valid", "jwk": "{}", "thumbprint": "t", "eab": ""}


def test_account_fields_are_those_that_are_given() -> None:
    """What is None stays as it is; what is empty is written."""
    assert account_fields() == {}
    assert account_fields(jwk="{}", contact=(), terms=0, binding="") == {
        "jwk": "{}",
        "contact": "[]",
        "terms": "0",
        "binding": "",
    }


def test_an_account_is_read_with_little_and_with_all() -> None:
    """Missing fields have their defaults."""
    least = Account(id="a", created=5, status=AccountStatus.VALID, jwk="{}", thumbprint="t")
    assert least == read_account("a", HASH)
    more = {"status": "revoked", "contact": '["mailto:a@a.example"]', "terms": "6", "eab": "k", "binding": "{}"}
    assert Account(
        id="a",
        created=5,
        status=AccountStatus.REVOKED,
        jwk="{}",
        thumbprint="t",
        contact=("mailto:a@a.example",),
        terms=6,
        eab="k",
        binding="{}",
        ended=7,
        restriction=RESTRICTION,
    ) == read_account("a", {**HASH, **more, "ended": "7", **restriction_fields(RESTRICTION)})


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("created", None, "created"),
        ("jwk", None, "jwk"),
        ("thumbprint", None, "thumbprint"),
        ("status", None, "status"),
        ("status", "odd", "record"),
        ("created", "x", "record"),
        ("terms", "x", "record"),
        ("contact", "{}", "record"),
        ("contact", "[1]", "record"),
        ("ended", "x", "record"),
        ("names", "[]", "deny"),
        ("profiles", "[]", "names"),
        ("names", "[", "record"),
    ],
)
def test_a_garbled_account_names_what_is_wrong(field: str, value: str | None, named: str) -> None:
    """The field is named where it is missing, and no value is ever told."""
    hash_ = {key: text for key, text in {**HASH, field: value}.items() if text is not None}
    with pytest.raises(Garbled, match=r"^account 'a': ") as raised:
        read_account("a", hash_)
    assert named == raised.value.field


def test_a_credential_is_read_as_it_was_written() -> None:
    """There and back, with everything set."""
    made = make_credential(
        bytes,
        5,
        names=("a.example",),
        deny=("x.a.example",),
        profiles=("server",),
        expires=9,
        single=True,
        note="for the shop",
    )
    assert made == read_credential(made.kid, credential_fields(made))


@pytest.mark.parametrize("rules", [{"names": '["a b"]'}, {"deny": '["10.0.0.1/8"]'}, {"profiles": '["a b"]'}])
def test_a_rule_that_cannot_be_used_makes_its_record_garbled(rules: dict[str, str]) -> None:
    """Nobody is let through because a rule cannot be understood."""
    with pytest.raises(Garbled):
        read_account("a", {**HASH, **restriction_fields(Restriction()), **rules})
    with pytest.raises(Garbled):
        read_credential("k", {**credential_fields(make_credential(bytes, 5)), **rules})


@pytest.mark.parametrize("field", list(credential_fields(make_credential(bytes, 5))))
def test_a_garbled_credential_names_what_is_wrong(field: str) -> None:
    """A missing field is named; the secret is not told."""
    made = make_credential(bytes, 5)
    hash_ = credential_fields(made)
    del hash_[field]
    with pytest.raises(Garbled, match=r"^credential ") as raised:
        read_credential(made.kid, hash_)
    assert field == raised.value.field
    assert made.key not in str(raised.value)
