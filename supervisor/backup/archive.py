"""The archive: a tar file (POSIX ustar and pax) in gzip, perhaps encrypted. Written and read as a stream."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from msgspec.structs import replace

from stages.errors import Refused
from supervisor.backup import manifest as described
from supervisor.backup.encryption import MAGIC, Decrypting, Encrypting, Passphrase, is_encrypted
from supervisor.backup.manifest import Manifest, Member
from supervisor.backup.sealing import Gzip, Write, check_seal

_BUFFER: Final = 1 << 20


class Writer:
    """Writes members one after the other; `close` writes the manifest last.

    Args:
        write: takes the bytes of the file.
        passphrase: encrypts it; None for not.
        made: unix time for the members.
        random_bytes: the random source of salt and nonce.
    """

    def __init__(
        self, write: Write, passphrase: Passphrase | None, made: int, random_bytes: Callable[[int], bytes]
    ) -> None:
        self.members: list[Member] = []
        self._made = made
        self._outer = Encrypting(write, passphrase, random_bytes) if passphrase else None
        self._gzip = Gzip(self._outer.write if self._outer else write)
        self._tar = tarfile.open(  # noqa: SIM115  closed by `close`
            mode="w|", fileobj=_Sink(self._gzip.write), format=tarfile.PAX_FORMAT
        )

    def add(self, member: Member, data: bytes) -> None:
        """One file; its size and digest are filled in."""
        digest = hashlib.sha256(data).hexdigest()
        self.members.append(replace(member, size=len(data), sha256=digest))
        self._put(member.name, data, member.mode)

    def close(self, manifest: Manifest) -> None:
        """The manifest, and the end of every layer."""
        self._put(described.NAME, described.encode(manifest), 0o600)
        self._tar.close()
        self._gzip.close()
        if self._outer:
            self._outer.close()

    def _put(self, name: str, data: bytes, mode: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = len(data), mode, self._made
        self._tar.addfile(info, io.BytesIO(data))


class Backup:
    """A backup that was made: `verify` first, then `each`."""

    def __init__(self, file: BinaryIO, where: str, passphrase: Passphrase | None) -> None:
        self._file = file
        self._where = where
        self._passphrase = passphrase

    def verify(self) -> Manifest:
        """Read all of it, and compare; raises Refused("malformed", <file>, ...) for anything that is not as written."""
        check_seal(self._opened(), self._where)
        found: list[Member] = []
        text = b""
        for name, data in self._members():
            if text:
                raise Refused("malformed", self._where, f"something stands behind its {described.NAME}")
            if name == described.NAME:
                text = data
            else:
                found.append(Member(name=name, size=len(data), sha256=hashlib.sha256(data).hexdigest()))
        if not text:
            raise Refused("malformed", self._where, f"it has no {described.NAME}")
        manifest = described.decode(text, self._where)
        described.compare(manifest, found, self._where)
        return manifest

    def each(self, manifest: Manifest) -> Iterator[tuple[Member, bytes]]:
        """Every file with its content, compared once more: the file on disk may be another by now."""
        members = iter(manifest.members)
        for name, data in self._members():
            if name == described.NAME:
                return
            member = next(members, None)
            if member is None or (member.name, member.sha256) != (name, hashlib.sha256(data).hexdigest()):
                raise Refused("malformed", self._where, "it was changed while it was read")
            yield member, data

    def _members(self) -> Iterator[tuple[str, bytes]]:
        try:
            with gzip.open(self._opened(), "rb") as clear, tarfile.open(mode="r|", fileobj=clear) as tar:
                for info in tar:
                    if not info.isreg() or info.size > described.MAX_BYTES:
                        raise Refused("malformed", self._where, f"{info.name[:200]!r} in it is no file of a backup")
                    file = tar.extractfile(info)
                    yield info.name, file.read() if file else b""
        except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise Refused("malformed", self._where, f"it cannot be unpacked: {error}") from None

    def _opened(self) -> BinaryIO:
        """From the beginning, decrypted."""
        self._file.seek(0)
        encrypted = is_encrypted(self._file.read(len(MAGIC)))
        self._file.seek(0)
        if not encrypted:
            if self._passphrase:
                raise Refused("malformed", self._where, "a passphrase is given, and it is not encrypted")
            return self._file
        if not self._passphrase:
            raise Refused("malformed", self._where, "it is encrypted: --passphrase-file must name its passphrase")
        return io.BufferedReader(Decrypting(self._file, self._passphrase, self._where), _BUFFER)


class _Sink(io.RawIOBase):
    """What tarfile takes for a file that it writes to."""

    def __init__(self, write: Callable[[bytes], int]) -> None:
        self._take = write

    def write(self, data: bytes) -> int:  # type: ignore[override]  # tarfile gives bytes
        """Hand on."""
        return self._take(bytes(data))


def open_backup(path: Path) -> BinaryIO:
    """A regular file; raises Refused("malformed", path, ...)."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise Refused("malformed", str(path), f"cannot be read: {error.strerror}") from None
    if not file.seekable():
        file.close()
        raise Refused("malformed", str(path), "it must be a file that can be read twice")
    return file
