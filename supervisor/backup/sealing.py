"""The outermost layer of a backup: gzip (RFC 1952), with a digest of the whole file at its end. Pure streams.

The digest stands in a second, empty gzip member, in its extra field: `gzip` and `tar` read past it, and a file that was
cut off, or in which any bit is another, is known before anything of it is read.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from typing import BinaryIO, Final

from stages.errors import Refused

Write = Callable[[bytes], object]

_HEAD: Final = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\xff"
"""Deflate, no flags, no time, no extra flags, no operating system: always the same ten bytes."""
_SEAL: Final = b"\x1f\x8b\x08\x04" + bytes(4) + b"\x00\xff" + (36).to_bytes(2, "little") + b"CS" + b"\x20\x00"
"""Extra field (RFC 1952 2.3.1.1) with one subfield "CS" of 32 bytes."""
_EMPTY: Final = b"\x03\x00" + bytes(8)
SEAL_BYTES: Final = len(_SEAL) + 32 + len(_EMPTY)
_LEVEL: Final = 1
_PIECE: Final = 1 << 20


class Gzip:
    """Compresses what is written; `close` puts the seal at the end."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._digest = hashlib.sha256()
        self._deflate = zlib.compressobj(_LEVEL, wbits=-15)
        self._crc = 0
        self._size = 0
        self._put(_HEAD)

    def write(self, data: bytes) -> int:
        """Compress."""
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._put(self._deflate.compress(data))
        return len(data)

    def close(self) -> None:
        """The end of the file."""
        self._put(self._deflate.flush())
        self._put(self._crc.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little"))
        self._write(_SEAL + self._digest.digest() + _EMPTY)

    def _put(self, data: bytes) -> None:
        if data:
            self._digest.update(data)
            self._write(data)


def check_seal(file: BinaryIO, where: str) -> None:
    """Read a file to its end; raises Refused("malformed", where, ...) unless it is one that `Gzip` wrote, all of it."""
    digest = hashlib.sha256()
    held = file.read(len(_HEAD))
    if held != _HEAD:
        raise Refused("malformed", where, "it is no backup of ca-supervisor: it does not begin like one")
    while piece := file.read(_PIECE):
        held += piece
        digest.update(held[:-SEAL_BYTES])
        held = held[-SEAL_BYTES:]
    if len(held) < SEAL_BYTES or not held.startswith(_SEAL) or not held.endswith(_EMPTY):
        raise Refused("malformed", where, "its end is missing: it was cut off, or something was added to it")
    if held[len(_SEAL) :][:32] != digest.digest():
        raise Refused("malformed", where, "it is damaged: it is not what was written")
