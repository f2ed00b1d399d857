"""The layers of a backup's file: what was written comes back, and whatever was changed or cut off is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import tarfile
from collections.abc import Callable, Iterator

import msgspec
import pytest
from msgspec.structs import replace

from stages.errors import Refused
from stages.store.tally import Counts
from supervisor.backup.archive import Backup, Writer
from supervisor.backup.encryption import HEADER_BYTES, MAGIC, Passphrase
from supervisor.backup.manifest import NAME, Authority, Manifest, Member, decode, encode
from supervisor.backup.sealing import SEAL_BYTES, Gzip, check_seal

MADE = 1_800_000_000


CONTENTS = {
    "store/000000.msgpack": b"\x91\x94\xa1k\xa6string\xa2-1\x91\xa1v",
    "config.toml": b'data_dir = "data"\n',
    "data/ca/intermediate.key": b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
    "data/ca/" + "long/" * 40 + "root.pem": b"-----BEGIN CERTIFICATE-----\n",
}


def manifest_of(members: list[Member]) -> Manifest:
    """What a backup would say."""
    return Manifest(
        program="1",
        id="ab" * 8,
        made=MADE,
        host="host",
        store="embedded",
        prefix="",
        ca=Authority(id="main", subject="CN=Test", spki_sha256="cd" * 32, not_after=MADE + 9),
        counts=Counts(active=1, quarantined=0, certificates=2, revoked=0, crl_number=3),
        records=4,
        paused=0.001,
        crl_number=3,
        left_out={},
        members=members,
    )


def made(
    passphrase: Passphrase | None = None, change: Callable[[Manifest], Manifest] = lambda found: found, seed: int = 1
) -> tuple[bytes, Manifest]:
    """A small backup."""
    to = io.BytesIO()
    writer = Writer(to.write, passphrase, MADE, random.Random(seed).randbytes)
    for name, data in CONTENTS.items():
        writer.add(Member(name=name, size=0, sha256=""), data)
    manifest = change(manifest_of(writer.members))
    writer.close(manifest)
    return to.getvalue(), manifest


def quick(passphrase: bytes, salt: bytes) -> bytes:
    """A key that takes no time: thousands of tries cannot have scrypt's tenths of a second."""
    return hashlib.sha256(passphrase + salt).digest()


WITH, REAL = Passphrase("correct horse", quick), Passphrase("correct horse")


def refusal(data: bytes, passphrase: Passphrase | None = None) -> str:
    """Why a file is refused."""
    with pytest.raises(Refused) as caught:
        Backup(io.BytesIO(data), "FILE", passphrase).verify()
    assert caught.value.field == "FILE"
    assert "\n" not in caught.value.reason
    return caught.value.reason


@pytest.mark.parametrize("passphrase", [None, REAL])
def test_what_was_written_comes_back(passphrase: Passphrase | None) -> None:
    """Manifest, names, order and content; read twice."""
    data, manifest = made(passphrase)
    backup = Backup(io.BytesIO(data), "FILE", passphrase)
    assert backup.verify() == manifest
    assert {member.name: content for member, content in backup.each(manifest)} == CONTENTS
    assert [member.size for member in manifest.members] == [len(content) for content in CONTENTS.values()]


def test_the_file_is_a_plain_tar_gz() -> None:
    """What other programs unpack: gzip, then tar, the manifest last."""
    data, manifest = made()
    clear = gzip.decompress(data)
    with tarfile.open(fileobj=io.BytesIO(clear)) as tar:
        assert tar.getnames() == [*CONTENTS, NAME]
        assert {info.mtime for info in tar} == {MADE}
        file = tar.extractfile(NAME)
        assert file is not None
        assert decode(file.read(), "FILE") == manifest


def test_every_flipped_bit_is_refused() -> None:
    """One bit of any byte of the file, whatever it stands for; the reason is one line, and the file is named."""
    data, _ = made()
    reasons = set()
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 1 << place % 8
        reasons.add(refusal(bytes(broken)))
    assert reasons == {
        "it is no backup of ca-supervisor: it does not begin like one",
        "it is damaged: it is not what was written",
        "its end is missing: it was cut off, or something was added to it",
    }


def test_every_cut_is_refused() -> None:
    """A file of any shorter length, and one with something behind it."""
    data, _ = made()
    for length in range(len(data)):
        assert refusal(data[:length]) in {
            "it is no backup of ca-supervisor: it does not begin like one",
            "its end is missing: it was cut off, or something was added to it",
        }
    assert refusal(data + b"\0").startswith("its end is missing")
    assert refusal(data + data).startswith("it is damaged")


def test_every_flipped_bit_of_an_encrypted_backup_is_refused() -> None:
    """Magic, salt, nonce, chunks and tags alike."""
    data, _ = made(WITH)
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 1 << place % 8
        said = refusal(bytes(broken), WITH)
        expected = (
            "a passphrase is given, and it is not encrypted" if place < len(MAGIC) else "the passphrase is another"
        )
        assert said.startswith(expected), place


def test_every_cut_of_an_encrypted_backup_is_refused() -> None:
    """Also one at the end of a chunk."""
    data, _ = made(WITH)
    for length in range(len(MAGIC), len(data)):
        assert refusal(data[:length], WITH)


def test_a_passphrase_that_is_wrong_missing_or_too_much_is_said() -> None:
    """Each has its own sentence."""
    encrypted, _ = made(WITH)
    plain, _ = made()
    assert refusal(encrypted, Passphrase("another", quick)) == "the passphrase is another, or the file is damaged"
    assert refusal(encrypted) == "it is encrypted: --passphrase-file must name its passphrase"
    assert refusal(plain, WITH) == "a passphrase is given, and it is not encrypted"


def test_nothing_of_an_encrypted_backup_can_be_read() -> None:
    """No name, no content, and the same content looks different each time."""
    (one, _), (other, _) = made(WITH), made(WITH, seed=2)
    assert all(name.encode() not in one and content not in one for name, content in CONTENTS.items())
    assert one[HEADER_BYTES:] != other[HEADER_BYTES:]


def sealed(tar: bytes) -> bytes:
    """A file with a good seal around any content, as only somebody who means harm would make it."""
    to = io.BytesIO()
    gz = Gzip(to.write)
    gz.write(tar)
    gz.close()
    check_seal(io.BytesIO(to.getvalue()), "FILE")
    return to.getvalue()


def tar_of(members: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    """A tar archive."""
    to = io.BytesIO()
    with tarfile.open(fileobj=to, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = (len(data) if kind == tarfile.REGTYPE else 0), kind, "/etc/passwd"
            tar.addfile(info, io.BytesIO(data))
    return to.getvalue()


def lies() -> Iterator[tuple[str, bytes, str]]:
    """Well sealed files that are no backup, and why."""
    members = [Member(name=name, size=len(data), sha256="") for name, data in CONTENTS.items()]
    text = encode(manifest_of(members))
    good, manifest = made()
    clear = gzip.decompress(good)
    yield "no tar", b"no tar at all" * 100, "it cannot be unpacked"
    yield "a tar that ends early", clear[:520], "it cannot be unpacked"
    yield "no manifest", tar_of(CONTENTS), "it has no manifest.json"
    yield "other digests", tar_of({**CONTENTS, NAME: text}), "its file 'store/000000.msgpack' is not the one"
    yield "a file too few", tar_of({"config.toml": b"", NAME: encode(manifest)}), "it has 1 files, and"
    yield "more behind the manifest", tar_of({NAME: text, "config.toml": b""}), "something stands behind"
    yield "no json", tar_of({NAME: b"{"}), "its manifest.json cannot be read"
    yield "of another shape", tar_of({NAME: b'{"version":1}'}), "its manifest.json cannot be read"
    yield "another version", tar_of({NAME: b'{"version":2}'}), "it is a backup of version 2, and this"
    yield "links", tar_of(CONTENTS, tarfile.SYMTYPE), "'store/000000.msgpack' in it is no file of a backup"
    for name in ("../x", "/etc/passwd", "data/../../x", "data//x", "other", "store/1", "data/", "elsewhere/./x"):
        evil = manifest_of([Member(name=name, size=0, sha256="")])
        yield (
            f"a member {name}",
            tar_of({name: b"", NAME: encode(evil)}),
            "its manifest.json names a file that no backup",
        )


@pytest.mark.parametrize(("tar", "why"), [each[1:] for each in lies()], ids=[each[0] for each in lies()])
def test_a_sealed_lie_is_refused(tar: bytes, why: str) -> None:
    """The seal keeps no secret: what is inside is checked all the same."""
    assert refusal(sealed(tar)).startswith(why)


def test_a_file_that_changes_after_its_check_is_refused() -> None:
    """`each` compares once more what `verify` has seen."""
    data, manifest = made()
    other = [replace(member, sha256="ef" * 32) for member in manifest.members]
    with pytest.raises(Refused, match="changed while it was read"):
        list(Backup(io.BytesIO(data), "FILE", None).each(replace(manifest, members=other)))


def test_the_manifest_tells_keys_in_plain_text() -> None:
    """By their paths."""
    members = [Member(name=f"data/{key}", size=0, sha256="", path=f"/{key}", key=key) for key in ("plain", "encrypted")]
    assert manifest_of(members).plain == ["/plain"]
    assert decode(encode(manifest_of(members)), "FILE") == manifest_of(members)
    assert msgspec.json.decode(encode(manifest_of(members)))["version"] == 1


def test_the_seal_is_the_last_of_the_file() -> None:
    """Programs read past it: it is an empty member."""
    data, _ = made()
    assert gzip.decompress(data[-SEAL_BYTES:]) == b""
