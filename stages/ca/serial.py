"""Serial numbers of certificates (RFC 5280 4.1.2.2). `stages.ca` only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

SERIAL_BYTES: Final = 16


def new_serial(random_bytes: Callable[[int], bytes]) -> int:
    """A positive number with 126 random bits.

    The top bit is 0, so that the DER integer is positive and 16 bytes long (20 are allowed); the one below
    is 1, so that every serial has 32 hex digits and none is zero.
    """
    number = int.from_bytes(random_bytes(SERIAL_BYTES))
    bits = SERIAL_BYTES * 8
    return (number & ((1 << (bits - 1)) - 1)) | (1 << (bits - 2))


def serial_hex(number: int) -> str:
    """Lower-case hex without leading zeros: how a serial is written everywhere in the store."""
    return f"{number:x}"
