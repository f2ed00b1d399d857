"""The certificate of tls-alpn-01 as bytes that a stranger chose, and what goes out as server name."""

from __future__ import annotations

import contextlib

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from stages.challenges.tlsalpn01 import BadCertificate, check_certificate, server_name
from tests.e2e.challenges.certificates import make_certificate

CERTIFICATE = make_certificate()[0]
DER = CERTIFICATE.public_bytes(Encoding.DER)
UNUSED_BITS = len(DER) - len(CERTIFICATE.signature) - 1
"""The byte before the signature says how many of its last bits do not count (X.690 8.6.2.2): zeros, perhaps."""


def test_check_certificate_right() -> None:
    """The certificate that the mutations below begin with is the proof."""
    check_certificate(DER, "127.0.0.1", "tok.thumb")


# of a serial number that is not positive: such a certificate is refused, as it is not self-signed any more
odd_serial = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


def test_check_certificate_of_an_unknown_version() -> None:
    """X.509 ends at version 3, which is written as 2."""
    version = b"\xa0\x03\x02\x01"
    with pytest.raises(BadCertificate, match="it cannot be read"):
        check_certificate(DER.replace(version + b"\2", version + b"\3", 1), "127.0.0.1", "tok.thumb")


@odd_serial
@given(st.integers(0, len(DER) - 1).filter(lambda at: at != UNUSED_BITS), st.integers(1, 255))
def test_check_certificate_hostile(at: int, change: int) -> None:
    """Any byte of meaning that is changed is refused with a reason of ours, and raises nothing else."""
    der = DER[:at] + bytes([DER[at] ^ change]) + DER[at + 1 :]
    with pytest.raises(BadCertificate) as caught:
        check_certificate(der, "127.0.0.1", "tok.thumb")
    assert str(caught.value).isascii()


@odd_serial
@given(st.binary(max_size=200), st.integers(0, len(DER)))
def test_check_certificate_noise(noise: bytes, at: int) -> None:
    """Noise before, in and after it too."""
    for der in (noise, noise + DER, DER[:at] + noise, DER[:at] + noise + DER[at:]):
        with contextlib.suppress(BadCertificate):
            check_certificate(der, "127.0.0.1", "tok.thumb")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("a.example", "a.example"),
        ("192.0.2.1", "1.2.0.192.in-addr.arpa"),
        ("2001:db8::1", f"1.{'0.' * 23}8.b.d.0.1.0.0.2.ip6.arpa"),
    ],
)
def test_server_name(host: str, name: str) -> None:
    """Addresses go out as their reverse names (RFC 8738 6)."""
    assert server_name(host) == name
