"""Certificate revocation lists and the reasons on them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509

from stages.ca.crl import build_crl
from stages.ca.revocation import Reason, parse_reason
from stages.errors import Refused
from tests.unit.ca.making import DAY, NOW, issuer

ENTRIES = [("ff", NOW - 5, 1), ("0a", NOW - 9, 0), ("7fffffffffffffffffffffffffffffff", NOW, 9)]


@pytest.mark.parametrize("issuer_type", ["p256", "p384", "ed25519", "rsa2048"])
def test_build_crl_holds_the_entries(issuer_type: str) -> None:
    """A list is sorted, signed by its issuer, and the same whatever the order of arrival."""
    der = build_crl(issuer(issuer_type), ENTRIES, 7, NOW, DAY)
    assert der == build_crl(issuer(issuer_type), reversed(ENTRIES), 7, NOW, DAY)
    crl = x509.load_der_x509_crl(der)
    found = [
        (
            f"{entry.serial_number:x}",
            int(entry.revocation_date_utc.timestamp()),
            [extension.value for extension in entry.extensions],
        )
        for entry in crl
    ]
    assert [
        ("a", NOW - 9, []),
        ("ff", NOW - 5, [x509.CRLReason(x509.ReasonFlags.key_compromise)]),
        ("7fffffffffffffffffffffffffffffff", NOW, [x509.CRLReason(x509.ReasonFlags.privilege_withdrawn)]),
    ] == found
    assert crl.is_signature_valid(issuer(issuer_type).certificate.public_key())  # type: ignore[arg-type]  # a CA's
    assert (datetime.fromtimestamp(NOW, UTC), datetime.fromtimestamp(NOW + DAY, UTC)) == (
        crl.last_update_utc,
        crl.next_update_utc,
    )
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 7
    assert (
        issuer(issuer_type).authority_key_identifier
        == crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    )


def test_build_crl_may_be_empty() -> None:
    """A CA that has revoked nothing says so with a signed list."""
    assert len(x509.load_der_x509_crl(build_crl(issuer(), [], 1, NOW, DAY))) == 0


@pytest.mark.parametrize(
    ("entries", "number", "next_update", "field"),
    [
        ([("ff", NOW, 1), ("0ff", NOW, 4)], 1, DAY, "CRL entries"),
        ([("ff", NOW, 6)], 1, DAY, "reason"),
        ([], -1, DAY, "CRL number"),
        ([], 1 << 160, DAY, "CRL number"),
        ([], 1, 0, "crl.next_update"),
    ],
)
def test_build_crl_refuses(entries: list[tuple[str, int, int]], number: int, next_update: int, field: str) -> None:
    """What no list may hold is refused before it is signed."""
    with pytest.raises(Refused) as caught:
        build_crl(issuer(), entries, number, NOW, next_update)
    assert field == caught.value.field


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (0, Reason.UNSPECIFIED),
        (1, Reason.KEY_COMPROMISE),
        ("1", Reason.KEY_COMPROMISE),
        ("keyCompromise", Reason.KEY_COMPROMISE),
        ("superseded", Reason.SUPERSEDED),
        (9, Reason.PRIVILEGE_WITHDRAWN),
    ],
)
def test_parse_reason_accepts(given: int | str, reason: Reason) -> None:
    """Codes and names both work."""
    assert reason is parse_reason(given)
    assert reason is parse_reason(reason.label)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (2, "CA certificates"),
        (6, "temporary"),
        (7, "not used"),
        (8, "delta CRLs"),
        (10, "attribute authorities"),
        (11, "one of unspecified"),
        (-1, "one of unspecified"),
        (True, "one of unspecified"),
        ("", "one of unspecified"),
        ("certificateHold", "one of unspecified"),
        ("9" * 5000, "one of unspecified"),
        ("\u0661", "one of unspecified"),
    ],
)
def test_parse_reason_refuses(given: int | str, why: str) -> None:
    """A reason that is not for leaves is refused with why, and with those that are."""
    with pytest.raises(Refused, match=why) as caught:
        parse_reason(given)
    assert (caught.value.kind, caught.value.field) == ("badRevocationReason", "reason")
