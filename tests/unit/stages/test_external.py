"""Credentials for external accounts: how they are made, when they can be used, what they allow."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from msgspec.structs import replace

from stages.errors import Refused
from stages.external import KID, Credential, CredentialState, make_credential

NOW = 1_800_000_000
MADE = make_credential(bytes, NOW)


def with_names(*names: str) -> Credential:
    """A credential with these rules."""
    return make_credential(bytes, NOW, names=names)


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


@pytest.mark.parametrize(
    ("rules", "name", "allowed"),
    [
        ((), "any.example", True),
        (("a.example",), "a.example", True),
        (("a.example",), "x.a.example", True),
        (("a.example",), "*.a.example", True),
        ((".a.example",), "a.example", False),
        (("a.example",), "b.example", False),
        (("a.example",), "192.0.2.1", False),
        (("a.example",), "2001:db8::1", False),
        (("192.0.2.0/24",), "192.0.2.1", True),
        (("192.0.2.0/24",), "192.0.3.1", False),
        (("192.0.2.0/24",), "2001:db8::1", False),
        (("192.0.2.0/24",), "a.example", False),
        (("192.0.2.1",), "192.0.2.1", True),
        (("2001:db8::/32",), "2001:db8::1", True),
        (("2001:db8::/32", "a.example"), "a.example", True),
        (("2001:db8::/32", "a.example"), "192.0.2.1", False),
    ],
)
def test_a_credential_allows_the_names_of_its_rules(rules: tuple[str, ...], name: str, *, allowed: bool) -> None:
    """Rules for one kind of name allow none of the other."""
    policy = with_names(*rules).policy()
    assert allowed is (policy is None or policy.verdicts([name])[0][1] is None)


def test_a_credential_allows_its_profiles() -> None:
    """None named allows all."""
    assert MADE.allows_profile("server")
    limited = make_credential(bytes, NOW, profiles=("server",))
    assert [limited.allows_profile(name) for name in ("server", "client")] == [True, False]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"names": ("a b",)}, "names"),
        ({"names": ("*.a.example",)}, "names"),
        ({"names": ("10.0.0.1/8",)}, "names"),
        ({"names": ("",)}, "names"),
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
