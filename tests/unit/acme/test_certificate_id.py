"""Certificate ids (RFC 9773 4.1), against its own example and at the sign byte."""

from __future__ import annotations

import pytest

from supervisor.acme.certificate_id import certificate_id, parse_certificate_id
from supervisor.acme.problems import AcmeProblem

AUTHORITY = bytes.fromhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4")


@pytest.mark.parametrize(
    ("serial", "text"),
    [
        (0x87654321, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"),
        (0x07654321, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.B2VDIQ"),
        (0x7F, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.fw"),
        (0x80, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIA"),
    ],
)
def test_id_has_the_sign_byte(serial: int, text: str) -> None:
    """The first is the example of the RFC; a serial with its top bit set has a zero byte in front."""
    assert certificate_id(AUTHORITY, serial) == text
    assert parse_certificate_id(text, "id") == (AUTHORITY, serial)


@pytest.mark.parametrize(
    "text",
    [None, 7, "", ".", "AAAA", "AAAA.", ".AQ", "AAAA.AA", "AAAA.gA", "AAAA.AAE", "AAAA.AQ=", "AAAA.A", "A.AQ", "a.b.c",
     "AAAA.AR", "AAAA.A+8", "AAAA." + "f" * 32],
)  # fmt: skip
def test_id_of_another_form_is_malformed(text: object) -> None:
    """Zero, negative, padded, not minimal, too long: nothing of it is guessed at."""
    with pytest.raises(AcmeProblem) as raised:
        parse_certificate_id(text, "replaces")
    assert raised.value.kind == "malformed"
    assert "replaces" in raised.value.detail
