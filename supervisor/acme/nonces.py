"""Anti-replay nonces (RFC 8555 6.5) without a store: a counter, encrypted under a key as old as the program.

A nonce is one AES block of its number and the second it was made in. The newest WINDOW numbers have one bit each,
which says whether the nonce was used. Memory is constant, whatever clients do; a nonce from before a restart
deciphers to noise and is refused. Only the event loop's thread calls this: `redeem` looks and marks in one step.

Guessing: of 2^128 blocks the cipher maps at most WINDOW numbers times 2 * lifetime seconds onto acceptable ones,
about 2^36 in an hour: one guess in 2^92.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from supervisor.acme.jose.encoding import from_base64url, to_base64url
from supervisor.acme.jose.jws import INVALID_NONCE
from supervisor.acme.problems import AcmeProblem

WINDOW: Final = 2**22
"""Nonces that can be open at once, in 512 KiB: over half an hour of 2,000 replies a second. Older ones are badNonce."""

KEY_BYTES: Final = 16
BLOCK_BYTES: Final = 16
HALF: Final = 8


class Nonces:
    """Makes nonces, and takes each one back once.

    Attributes:
        lifetime: seconds that a nonce is good for; it may be set at any time.
    """

    def __init__(
        self, random_bytes: Callable[[int], bytes], clock: Callable[[], float], lifetime: float, window: int = WINDOW
    ) -> None:
        """Start afresh: no earlier nonce is good. `window` is a multiple of 8."""
        # One block, no two alike: a cipher as it is. ECB's weakness is in texts of several blocks.
        cipher = Cipher(AES(random_bytes(KEY_BYTES)), ECB())  # noqa: S305  see above
        self._encrypt = cipher.encryptor().update
        self._decrypt = cipher.decryptor().update
        self._clock = clock
        self._window = window
        self._used = bytearray(window // 8)
        self._made = 0
        self.lifetime = lifetime

    def issue(self) -> str:
        """A new nonce: 22 characters of base64url."""
        number = self._made
        self._made += 1
        slot = number % self._window
        self._used[slot >> 3] &= ~(1 << (slot & 7)) & 0xFF
        return to_base64url(self._encrypt(number.to_bytes(HALF) + int(self._clock()).to_bytes(HALF)))

    def check(self, nonce: str | None) -> str:
        """Give it back if `redeem` would take it now; raises as `redeem` does, and for None.

        It spends nothing: the door asks before it checks the signature, and spends after it.
        """
        if nonce is None:
            raise _bad("there is none")
        self._open_slot(nonce)
        return nonce

    def redeem(self, nonce: str) -> None:
        """Use it up.

        Raises AcmeProblem: badNonce if it is not ours, too old, or used before; malformed if it is not base64url.
        """
        slot = self._open_slot(nonce)
        self._used[slot >> 3] |= 1 << (slot & 7)

    def _open_slot(self, nonce: str) -> int:
        block = from_base64url(nonce, "nonce")
        if len(block) != BLOCK_BYTES:
            raise _bad("it was not made here")
        plain = self._decrypt(block)
        number, made_at = int.from_bytes(plain[:HALF]), int.from_bytes(plain[HALF:])
        if number >= self._made or abs(self._clock() - made_at) > self.lifetime:
            raise _bad("it was not made here, or before a restart, or too long ago")
        slot = number % self._window
        if number < self._made - self._window or self._used[slot >> 3] & 1 << (slot & 7):
            raise _bad("it was used before, or many were made since")
        return slot


def _bad(reason: str) -> AcmeProblem:
    return AcmeProblem("badNonce", f"{INVALID_NONCE}: {reason}")
