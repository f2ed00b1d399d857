"""The CA's own keys: made, kept, loaded."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519

from stages.ca.keys import KeyType, generate, load, require_deterministic, save
from stages.ca.spki import public_bytes
from stages.errors import Refused
from tests.unit.ca.making import key

PASSPHRASE = b"correct horse"


@pytest.mark.parametrize("key_type", ["p256", "p384", "rsa2048", "ed25519", "ml-dsa-65"])
@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_save_then_load_gives_the_same_key(tmp_path: Path, key_type: str, passphrase: bytes | None) -> None:
    """A key file is its owner's alone, encrypted where asked, and leaves nothing beside it."""
    path = tmp_path / "ca.key"
    save(path, key(key_type), passphrase)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [path] == list(tmp_path.iterdir())
    assert (passphrase is not None) == (b"ENCRYPTED" in path.read_bytes())
    assert public_bytes(key(key_type).public_key()) == public_bytes(load(path, passphrase).public_key())


def test_save_never_overwrites(tmp_path: Path) -> None:
    """A file in the way is kept, and nothing is left beside it."""
    path = tmp_path / "ca.key"
    path.write_text("precious")
    with pytest.raises(Refused, match="exists already"):
        save(path, key())
    assert path.read_text() == "precious"
    assert [path] == list(tmp_path.iterdir())


def test_save_names_the_folder_that_is_missing(tmp_path: Path) -> None:
    """A path that cannot be written is refused with the system's reason."""
    with pytest.raises(Refused, match="cannot be written: No such file"):
        save(tmp_path / "no" / "ca.key", key())


def test_generate_refuses_an_unknown_type() -> None:
    """The types that exist are listed to who asks for another."""
    with pytest.raises(Refused, match="one of p256, p384, rsa2048"):
        generate("rsa1024")
    assert len(KeyType) == 7


def pem(private: object, passphrase: bytes | None = None) -> bytes:
    assert isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey)
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


GOOD = pem(key())
LOCKED = pem(key(), PASSPHRASE)


@pytest.mark.parametrize(
    ("data", "mode", "passphrase", "reason"),
    [
        (GOOD, 0o640, None, "its mode is 0640"),
        (GOOD, 0o604, None, "its mode is 0604"),
        (GOOD, 0o620, None, "its mode is 0620"),
        (b"", 0o600, None, "no PEM private key"),
        (b"\x00\x01", 0o600, None, "no PEM private key"),
        (GOOD.replace(b"M", b"N", 1), 0o600, None, "the key is damaged"),
        (GOOD[:60], 0o600, None, "the key is damaged"),
        (GOOD, 0o600, PASSPHRASE, "the key is not encrypted"),
        (LOCKED, 0o600, None, "no passphrase is given"),
        (LOCKED, 0o600, b"", "no passphrase is given"),
        (LOCKED, 0o600, b"wrong", "the passphrase is wrong"),
        (b"x" * ((1 << 20) + 1), 0o600, None, "larger than"),
        (pem(rsa.generate_private_key(65537, 1024)), 0o600, None, "has 1024 bits"),  # noqa: S505  weak on purpose
        (pem(ec.generate_private_key(ec.SECP256K1())), 0o600, None, "curve secp256k1"),
        (pem(x25519.X25519PrivateKey.generate()), 0o600, None, "key type is not supported"),
    ],
)
def test_load_refuses(tmp_path: Path, data: bytes, mode: int, passphrase: bytes | None, reason: str) -> None:
    """A key file that cannot be used names the file and the reason, and shows neither key nor passphrase."""
    path = tmp_path / "ca.key"
    path.write_bytes(data)
    path.chmod(mode)
    with pytest.raises(Refused) as caught:
        load(path, passphrase)
    assert ("config", str(path)) == (caught.value.kind, caught.value.field)
    assert reason in caught.value.reason


def test_load_refuses_what_is_no_file(tmp_path: Path) -> None:
    """A missing file, a folder and a pipe are refused, and the pipe does not block."""
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo, 0o600)
    for path, reason in [
        (tmp_path / "no", "No such file"),
        (tmp_path, "directory"),
        (fifo, "not a regular file"),
    ]:
        with pytest.raises(Refused, match=reason):
            load(path)


def test_require_deterministic_refuses_hedged_signatures() -> None:
    """ML-DSA may sign a root's own certificates, never a session's."""
    require_deterministic(key("ed25519"), "key")
    with pytest.raises(Refused, match="root only"):
        require_deterministic(key("ml-dsa-65"), "key")
