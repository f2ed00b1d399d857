"""Credentials for external accounts: how they are made, when they can be used, what they allow."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from msgspec.structs import replace

from stages.errors import Refused
from stages.external import KID, CredentialState, make_credential
from stages.restriction import Restriction

NOW = 1_800_000_000
MADE = make_credential(bytes, NOW)


def test_a_credential_has_a_random_kid_and_key() -> None:
    """The key has the 256 bits that HS256 asks for (RFC 7518 3.2); two have nothing in common."""
    other = make_credential(lambda size: b"\xff" * size, NOW)
    assert KID.fullmatch(MADE.kid)
    assert len(base64.urlsafe_b64decode(MADE.key + "=")) == 32
    assert MADE.kid != other.kid
    assert MADE.key != other.key


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, CredentialState.USABLE),
        ({"used": 5}, CredentialState.USABLE),
        ({"single": True}, CredentialState.USABLE),
        ({"single": True, "used": 1}, CredentialState.USED),
        ({"expires": NOW + 1}, CredentialState.USABLE),
        ({"expires": NOW}, CredentialState.EXPIRED),
        ({"expires": NOW, "single": True, "used": 1}, CredentialState.EXPIRED),
        ({"withdrawn": NOW - 1, "expires": NOW}, CredentialState.WITHDRAWN),
    ],
)
def test_a_credential_tells_its_state(changes: dict[str, Any], expected: CredentialState) -> None:
    """On both sides of the second, and which reason comes first."""
    assert expected is replace(MADE, **changes).state(NOW)


def test_a_credential_has_what_its_accounts_may_ask_for() -> None:
    """Nothing said is no restriction."""
    made = make_credential(bytes, NOW, names=("a.example",), deny=("x.a.example",), profiles=("server",))
    assert Restriction(("a.example",), ("x.a.example",), ("server",)) == made.restriction
    assert Restriction() == MADE.restriction


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"names": ("a b",)}, "names"),
        ({"deny": ("*.a.example",)}, "deny"),
        ({"profiles": ("ok", "not ok")}, "profiles[1]"),
        ({"expires": NOW}, "expires"),
        ({"expires": -1}, "expires"),
        ({"note": "x" * 201}, "note"),
        ({"note": "a\nb"}, "note"),
    ],
)
def test_a_credential_that_cannot_be_made(options: dict[str, Any], field: str) -> None:
    """The field is named."""
    with pytest.raises(Refused) as raised:
        make_credential(bytes, NOW, **options)
    assert ("config", field) == (raised.value.kind, raised.value.field)
