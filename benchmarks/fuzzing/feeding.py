"""One process of the fuzz program: makes inputs, feeds them, and keeps count. For the fuzz program only."""

from __future__ import annotations

import base64
import gc
import json
import os
import random
import time
import traceback
from collections import Counter
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.fuzzing.corpus import Draft, drafts, requests
from benchmarks.fuzzing.mutation import (
    MAX_BYTES,
    encoded,
    parsed,
    spoil_bytes,
    spoil_der,
    spoil_json,
    spoil_text,
    to_json,
)
from benchmarks.fuzzing.targets import Targets
from benchmarks.soaking.memory import resident
from tests.unit.acme.signing import b64, signature
from tests.unit.ca.making import key as ca_key
from tests.unit.ca.making import tlv

_WARM: Final = 0.2
"""The part of the inputs after which the memory is measured for the first time."""
_ENOUGH: Final = 5
"""Failures after which a process gives up."""
_CSRS: Final = 0.3
"""The part of the inputs that are certificate requests."""
_QUICK: Final = ("ES256", "ES384", "ES512", "EdDSA")
"""Algorithms whose spoiled requests are signed again, so that the payload is believed."""


class Failure(msgspec.Struct, frozen=True):
    """An input that must not be: what it was fed to, what came of it, and the input in base64."""

    subject: str
    told: str
    input: str


class Fed(msgspec.Struct):
    """What one process counted.

    Attributes:
        answers: (subject, kind) in one word, such as "jws malformed".
        seconds: wall time. slowest: CPU seconds of the slowest input, and the input in base64.
        before, after: resident bytes after the first part, and at the end.
    """

    answers: Counter[str]
    seconds: float
    slowest: tuple[float, str, str]
    before: int
    after: int
    failures: list[Failure]


def feed(inputs: int, seed: int, limit: float) -> Fed:
    """Feed so many; an input that takes `limit` CPU seconds is a failure too (the machine may have other work)."""
    chance = random.Random(seed)
    maker = Maker(chance, Targets())
    fed = Fed(Counter(), 0.0, (0.0, "", ""), 0, 0, [])
    began = time.perf_counter()
    for number in range(inputs):
        if number == int(inputs * _WARM):
            fed.before = _resident()
        subject, raw = maker.make()
        started = time.thread_time()
        try:
            answer = maker.targets.csr(raw) if subject == "csr" else maker.targets.request(raw)
        except Exception:  # noqa: BLE001  whatever it is, it is what this program looks for
            fed.failures.append(Failure(subject, traceback.format_exc(limit=-3), _shown(raw)))
            answer = "FAILED"
        took = time.thread_time() - started
        fed.answers[f"{subject} {answer}"] += 1
        if took > fed.slowest[0]:
            fed.slowest = (took, subject, _shown(raw))
        if took > limit:
            fed.failures.append(Failure(subject, f"it took {took:.2f} s", _shown(raw)))
        if len(fed.failures) >= _ENOUGH:
            break
    fed.seconds, fed.after = time.perf_counter() - began, _resident()
    return fed


class Maker:
    """Makes inputs out of the corpus: some whole, most spoiled in one of the ways."""

    def __init__(self, chance: random.Random, targets: Targets) -> None:
        self.targets = targets
        self._chance = chance
        self._drafts = drafts()
        self._requests = requests()

    def make(self) -> tuple[str, bytes]:
        """("jws" or "csr", an input of at most MAX_BYTES)."""
        if self._chance.random() < _CSRS:
            return "csr", self._csr()
        return "jws", self._jws(self._chance.choice(self._drafts))[:MAX_BYTES]

    def _jws(self, draft: Draft) -> bytes:
        chance = self._chance
        head: Any = draft.header | {"nonce": self.targets.nonces.issue()}
        payload, way = draft.payload, chance.randrange(8)
        if way == 1:
            head = spoil_json(head, chance)
        elif way == 2:  # noqa: PLR2004  the ways are numbered
            head["jwk" if "jwk" in head else "kid"] = spoil_json(head.get("jwk", head.get("kid")), chance)
        elif way in {3, 4}:
            payload = self._payload(payload)
        text = to_json(head, chance)
        members = self._signed(draft, text, payload, again=way != 0)
        if way == 5:  # noqa: PLR2004  as above
            members = spoil_json(members, chance)
        elif way == 6:  # noqa: PLR2004  as above
            name = chance.choice(list(members))
            members[name] = spoil_text(members[name], chance)
        body = to_json(members, chance)
        return spoil_bytes(body, chance) if way == 7 else body  # noqa: PLR2004  as above

    def _payload(self, payload: bytes) -> bytes:
        chance = self._chance
        if not payload or chance.random() < 0.2:  # noqa: PLR2004  one in five
            return spoil_bytes(payload, chance)
        value = json.loads(payload)
        if "csr" in value and chance.random() < 0.7:  # noqa: PLR2004  most
            return json.dumps(value | {"csr": b64(self._csr())}).encode()
        return to_json(spoil_json(value, chance), chance)

    def _signed(self, draft: Draft, head: bytes, payload: bytes, *, again: bool) -> dict[str, Any]:
        alg = draft.header["alg"]
        signed = f"{b64(head)}.{b64(payload)}"
        if alg in _QUICK or not again:
            made = signature(draft.signer, alg, signed.encode())
        else:
            made = self._chance.randbytes(self._chance.choice((64, 96, 132, 256)))
        return {"protected": b64(head), "payload": b64(payload), "signature": b64(made)}

    def _csr(self) -> bytes:
        chance = self._chance
        der = chance.choice(self._requests)
        match chance.randrange(8):
            case 0:
                return der
            case 1:
                return spoil_bytes(der, chance)
            case 2:
                text = base64.encodebytes(der).decode()
                pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"
                return spoil_bytes(pem.encode(), chance)
            case _:
                return self._spoiled_tree(der)[:MAX_BYTES]

    def _spoiled_tree(self, der: bytes) -> bytes:
        """DER that is well formed and means something else; its signature is right where its key is the usual one."""
        tree = parsed(der)
        if tree is None:
            return spoil_bytes(der, self._chance)
        for _ in range(self._chance.choice((1, 1, 2, 3))):
            spoil_der(tree[1][0] if tree[1] and self._chance.random() < 0.9 else tree, self._chance)  # noqa: PLR2004  most
        own = ca_key()
        if isinstance(tree[1], list) and len(tree[1]) == 3 and isinstance(own, ec.EllipticCurvePrivateKey):  # noqa: PLR2004  RFC 2986 4.2
            made = own.sign(encoded(tree[1][0]), ec.ECDSA(hashes.SHA256()))
            return tlv(0x30, encoded(tree[1][0]), encoded(tree[1][1]), tlv(0x03, b"\0" + made))
        return encoded(tree)


def _resident() -> int:
    gc.collect()
    return resident(os.getpid())


def _shown(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
