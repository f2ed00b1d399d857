"""When a CRL is due, and what is read from the one that lies there."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.ca.crl import build_crl, crl_pem
from stages.errors import Refused
from supervisor.upkeep.crl import Published, crl_due, crl_lacks, read_crl
from tests.unit.ca.making import DAY, NOW, issuer

ENTRIES = [("a1", NOW - 5, 1), ("b2", NOW - 4, 0)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A CRL with number 7, valid for a week."""
    file = tmp_path / "crl.pem"
    file.write_text(crl_pem(build_crl(issuer(), ENTRIES, 7, NOW, 7 * DAY)))
    return file


@pytest.mark.parametrize("der", [False, True])
def test_crl_is_read(file: Path, der: bool) -> None:  # noqa: FBT001  a case
    """Number, times and serials, from PEM and DER."""
    if der:
        file.write_bytes(build_crl(issuer(), ENTRIES, 7, NOW, 7 * DAY))
    assert Published(7, NOW, NOW + 7 * DAY, frozenset({"a1", "b2"})) == read_crl(file)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (NOW, False),
        (NOW + 6 * DAY - 1, False),
        (NOW + 6 * DAY, True),
        (NOW + 8 * DAY, True),
        (NOW - 60, False),
        (NOW - 61, True),
    ],
)
def test_crl_is_due_before_its_next_update(file: Path, now: int, due: bool) -> None:  # noqa: FBT001  a case
    """It is due `renew_before` ahead of nextUpdate, and when it is from the future: the clock was set back."""
    assert due is crl_due(file, DAY, now)


@pytest.mark.parametrize("content", [None, b"", b"hello", b"-----BEGIN X509 CRL-----\n", b"\x30\x80"])
def test_crl_that_cannot_be_read_is_due(tmp_path: Path, content: bytes | None) -> None:
    """Missing or damaged, it is due and lacks everything; reading it names the file."""
    file = tmp_path / "crl.pem"
    if content is not None:
        file.write_bytes(content)
    assert crl_due(file, DAY, NOW)
    assert crl_lacks(file, [])
    with pytest.raises(Refused) as caught:
        read_crl(file)
    assert (caught.value.kind, caught.value.field) == ("config", str(file))


@pytest.mark.parametrize(("serials", "lacks"), [([], False), (["a1"], False), (["a1", "c3"], True)])
def test_missing_revocation_is_noticed(file: Path, serials: list[str], lacks: bool) -> None:  # noqa: FBT001  a case
    """A serial that is not on it means that a CRL was not written after a revocation."""
    assert lacks is crl_lacks(file, serials)


def test_large_crl_is_read(tmp_path: Path) -> None:
    """A list of more than a megabyte is still a list."""
    file = tmp_path / "crl.pem"
    entries = [(f"{serial:032x}", NOW, 0) for serial in range(1 << 120, (1 << 120) + 25_000)]
    file.write_text(crl_pem(build_crl(issuer(), entries, 7, NOW, DAY)))
    assert file.stat().st_size > 1 << 20
    assert len(read_crl(file).serials) == 25_000
