"""Encryption of a backup with a passphrase: scrypt (RFC 7914) and AES-256-GCM in chunks. Pure streams.

A file is a header (magic, 16 bytes of salt, 7 of the nonce), then chunks of 64 KiB, each with a tag of 16 bytes. A
chunk's nonce is the header's part, its number in 4 bytes, and 1 for the last one and 0 for the others, so that chunks
can neither be left out, moved nor cut off (the STREAM construction). The header is authenticated with every chunk.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from stages.errors import Refused

Write = Callable[[bytes], object]

MAGIC: Final = b"ca-supervisor encrypted backup 1\n"
_SALT, _NONCE = 16, 7
HEADER_BYTES: Final = len(MAGIC) + _SALT + _NONCE
CHUNK: Final = 64 << 10
_TAG: Final = 16
_N, _R, _P = 1 << 17, 8, 1
"""128 MiB of memory and some tenths of a second for each guess; part of the format: no file may ask for more."""
_MOST_CHUNKS: Final = 1 << 32


def is_encrypted(start: bytes) -> bool:
    """Whether a file that begins so is an encrypted backup."""
    return start.startswith(MAGIC)


def scrypt(passphrase: bytes, salt: bytes) -> bytes:
    """The key of a passphrase."""
    return Scrypt(salt=salt, length=32, n=_N, r=_R, p=_P).derive(passphrase)


class Passphrase:
    """What a backup is encrypted with; a key that was derived once is kept. `derive` is `scrypt` but in tests."""

    def __init__(self, text: str, derive: Callable[[bytes, bytes], bytes] = scrypt) -> None:
        self._text = text.encode()
        self._derive = derive
        self._keys: dict[bytes, bytes] = {}

    def cipher(self, header: bytes) -> AESGCM:
        """The cipher of a file with this header."""
        salt = header[len(MAGIC) : len(MAGIC) + _SALT]
        if salt not in self._keys:
            self._keys[salt] = self._derive(self._text, salt)
        return AESGCM(self._keys[salt])


class Encrypting:
    """Encrypts what is written; without `close` the result cannot be read."""

    def __init__(self, write: Write, passphrase: Passphrase, random_bytes: Callable[[int], bytes]) -> None:
        self._write = write
        self._header = MAGIC + random_bytes(_SALT) + random_bytes(_NONCE)
        self._cipher = passphrase.cipher(self._header)
        self._held = bytearray()
        self._number = 0
        write(self._header)

    def write(self, data: bytes) -> int:
        """Encrypt."""
        self._held += data
        while len(self._held) > CHUNK:  # the last chunk is known only at the end
            self._put(bytes(self._held[:CHUNK]), last=False)
            del self._held[:CHUNK]
        return len(data)

    def close(self) -> None:
        """The last chunk."""
        self._put(bytes(self._held), last=True)

    def _put(self, chunk: bytes, *, last: bool) -> None:
        self._write(self._cipher.encrypt(_nonce(self._header, self._number, last=last), chunk, self._header))
        self._number += 1


class Decrypting(io.RawIOBase):
    """Reads what `Encrypting` wrote from `file`; every byte that comes out is authenticated.

    Raises Refused("malformed", where, ...) for a wrong passphrase, and for a file that was changed or cut off.
    """

    def __init__(self, file: BinaryIO, passphrase: Passphrase, where: str) -> None:
        self._file = file
        self._where = where
        self._header = file.read(HEADER_BYTES)
        if len(self._header) < HEADER_BYTES or not is_encrypted(self._header):
            raise Refused("malformed", where, "it was cut off")
        self._cipher = passphrase.cipher(self._header)
        self._next = file.read(CHUNK + _TAG)
        self._number = 0
        self._clear = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # a WriteableBuffer
        """Fill the buffer; 0 at the end."""
        while not self._clear and self._next:
            sealed, self._next = self._next, self._file.read(CHUNK + _TAG)
            self._clear = self._open(sealed, last=not self._next)
        size = min(len(buffer), len(self._clear))
        buffer[:size], self._clear = self._clear[:size], self._clear[size:]
        return size

    def _open(self, sealed: bytes, *, last: bool) -> bytes:
        if self._number >= _MOST_CHUNKS:
            raise Refused("malformed", self._where, "it is larger than a backup can be")
        try:
            clear = self._cipher.decrypt(_nonce(self._header, self._number, last=last), sealed, self._header)
        except (InvalidTag, ValueError):
            if not self._number:
                reason = "the passphrase is another, or the file is damaged"
            else:
                reason = f"it is damaged or cut off, at byte {HEADER_BYTES + self._number * (CHUNK + _TAG)} or after it"
            raise Refused("malformed", self._where, reason) from None
        self._number += 1
        return clear


def _nonce(header: bytes, number: int, *, last: bool) -> bytes:
    return header[-_NONCE:] + number.to_bytes(4, "big") + bytes([last])
