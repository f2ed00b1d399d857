"""Encrypted chunks: any length comes back, and no chunk can be moved, left out or cut off."""

from __future__ import annotations

import hashlib
import io
import itertools
import random

import pytest

from stages.errors import Refused
from supervisor.backup.encryption import CHUNK, HEADER_BYTES, Decrypting, Encrypting, Passphrase


def quick(passphrase: bytes, salt: bytes) -> bytes:
    """A key that takes no time."""
    return hashlib.sha256(passphrase + salt).digest()


WITH = Passphrase("correct horse", quick)


def chunks(data: bytes) -> list[bytes]:
    """The chunks of an encrypted file."""
    return [data[start : start + CHUNK + 16] for start in range(HEADER_BYTES, len(data), CHUNK + 16)]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_chunks_of_any_number_come_back(size: int) -> None:
    """Lengths around the size of a chunk, written in odd pieces."""
    clear, to = random.Random(size).randbytes(size), io.BytesIO()
    encrypting = Encrypting(to.write, WITH, random.Random(2).randbytes)
    for start in range(0, size, 1001):
        encrypting.write(clear[start : start + 1001])
    encrypting.close()
    to.seek(0)
    assert Decrypting(to, WITH, "FILE").read() == clear
    assert len(chunks(to.getvalue())) == max(1, -(-size // CHUNK))


def test_chunks_can_be_neither_moved_nor_left_out() -> None:
    """Any other order or selection of four good chunks is refused."""
    to = io.BytesIO()
    encrypting = Encrypting(to.write, WITH, random.Random(3).randbytes)
    encrypting.write(random.Random(4).randbytes(3 * CHUNK + 5))
    encrypting.close()
    header, good = to.getvalue()[:HEADER_BYTES], chunks(to.getvalue())
    for count in range(1, 5):
        for some in itertools.permutations(good, count):
            file = io.BytesIO(header + b"".join(some))
            if list(some) == good:
                assert len(Decrypting(file, WITH, "FILE").read()) == 3 * CHUNK + 5
            else:
                with pytest.raises(Refused):
                    Decrypting(file, WITH, "FILE").read()
    for length in range(HEADER_BYTES):
        with pytest.raises(Refused):
            Decrypting(io.BytesIO(header[:length]), WITH, "FILE").read()
