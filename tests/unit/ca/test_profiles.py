"""Certificate profiles and the keys that they fit."""

from __future__ import annotations

from typing import Any

import pytest

from stages.ca.profiles import Profile, check_profile
from stages.errors import Refused

BOTH = ("digitalSignature", "keyEncipherment")


@pytest.mark.parametrize(
    ("key_usages", "key_type", "usages"),
    [
        (BOTH, "rsa", BOTH),
        (BOTH, "p256", ("digitalSignature",)),
        (BOTH, "ed25519", ("digitalSignature",)),
        (("digitalSignature", "keyAgreement"), "rsa", ("digitalSignature",)),
        (("digitalSignature", "keyAgreement"), "p521", ("digitalSignature", "keyAgreement")),
    ],
)
def test_usages_for_keeps_what_suits(key_usages: tuple[str, ...], key_type: str, usages: tuple[str, ...]) -> None:
    """A key gets the usages that its type can have, so that one profile serves all."""
    profile = check_profile(Profile(name="p", validity_seconds=60, key_usages=key_usages))
    assert usages == profile.usages_for(key_type)


def test_usages_for_refuses_when_nothing_serves() -> None:
    """An EC key in a profile for key encipherment alone would be a certificate for nothing."""
    profile = check_profile(Profile(name="p", validity_seconds=60, key_usages=("keyEncipherment",)))
    with pytest.raises(Refused, match="type p256 cannot be used for serverAuth in profile p") as caught:
        profile.usages_for("p256")
    assert caught.value.kind == "badCSR"


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"validity_seconds": 0}, "validity"),
        ({"backdate_seconds": -1}, "backdate"),
        ({"past_issuer": "maybe"}, "past_issuer"),
        ({"key_usages": ()}, "key_usages"),
        ({"key_usages": ("digitalSignature", "keyCertSign")}, "key_usages"),
        ({"key_usages": ("digital_signature",)}, "key_usages"),
        ({"key_usages": ("digitalSignature", "digitalSignature")}, "key_usages"),
        ({"key_usages": ("dataEncipherment",)}, "key_usages"),
        ({"extended_key_usages": ("clientAuth",), "key_usages": ("keyEncipherment",)}, "key_usages"),
        ({"extended_key_usages": ()}, "extended_key_usages"),
        ({"extended_key_usages": ("OCSPSigning",)}, "extended_key_usages"),
        ({"extended_key_usages": ("anyExtendedKeyUsage",)}, "extended_key_usages"),
        ({"crl_url": "ldap://ca.example/"}, "crl_url"),
        ({"crl_url": "http:///crl"}, "crl_url"),
        ({"crl_url": "http://ca.example/a b"}, "crl_url"),
        ({"ca_issuers_url": "http://b\u00fccher.example/"}, "ca_issuers_url"),
        ({"ca_issuers_url": "http://[::1/"}, "ca_issuers_url"),
    ],
)
def test_check_profile_refuses(settings: dict[str, Any], field: str) -> None:
    """A setting that RFC 5280 or this CA does not allow is named with its profile."""
    with pytest.raises(Refused) as caught:
        check_profile(Profile(**{"name": "p", "validity_seconds": 60, **settings}))
    assert ("config", f"profiles.p.{field}") == (caught.value.kind, caught.value.field)
