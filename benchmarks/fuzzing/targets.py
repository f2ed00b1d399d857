"""What the inputs are fed to: all that a request's bytes go through before a handler decides. For `fuzz.py` only.

It goes on where the door would stop, so that a spoiled payload is read although its signature is wrong. The first
answer counts. An answer must be a problem with a 4xx: any other exception leaves here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from os import urandom
from typing import Any, Final

from benchmarks.fuzzing.corpus import KINDS, MAC_KEY, NAMES
from stages.ca.csr import check_csr, csr_names, thumbprint
from stages.ca.key_policy import KeyPolicy
from stages.errors import Refused
from stages.names import parse_names
from supervisor.acme.jose.encoding import from_base64url, json_object
from supervisor.acme.jose.jwk import parse_jwk
from supervisor.acme.jose.jws import (
    Jws,
    check_url,
    parse,
    parse_binding,
    parse_key_change,
    payload_object,
    require_jwk,
    verify,
    verify_mac,
)
from supervisor.acme.nonces import Nonces
from supervisor.acme.problems import AcmeProblem, from_refused, problem_response
from tests.unit.acme.signing import URL, jwk, key

SERVER_ERRORS: Final = 500
_MANY_NAMES: Final = 100


class ServerFault(Exception):  # noqa: N818  what must not be
    """An input was answered with a 5xx."""


class Targets:
    """The door's parts, with keys of accounts."""

    def __init__(self) -> None:
        self.nonces = Nonces(urandom, time.time, 3600)
        self._keys = {alg: parse_jwk(jwk(key(kind))) for kind, alg in KINDS}
        self._policy = KeyPolicy()
        self._answers: list[str] = []

    def request(self, body: bytes) -> str:
        """Feed a request's body; the kind of the first problem, or "accepted"."""
        self._answers = []
        jws = self._try(lambda: parse(body))
        if jws is not None:
            self._authenticate(jws)
            self._read(jws)
        return self._answer()

    def csr(self, csr: bytes) -> str:
        """Feed a certificate request; the kind of the first problem, or "accepted"."""
        self._answers = []
        self._csr(csr)
        self._try(lambda: csr_names(csr))
        self._try(lambda: thumbprint(csr))
        return self._answer()

    def _authenticate(self, jws: Jws) -> None:
        self._try(lambda: check_url(jws, URL))
        self._try(lambda: self.nonces.check(jws.nonce))
        own = jws.jwk or self._keys.get(jws.alg) or self._keys["ES256"]
        self._try(lambda: verify(jws, own))
        self._try(lambda: self.nonces.redeem(jws.nonce or ""))

    def _read(self, jws: Jws) -> None:
        found = self._try(lambda: payload_object(jws))
        if not found:
            return
        if "protected" in found:
            self._key_change(jws.payload)
        if "externalAccountBinding" in found:
            bound = self._try(lambda: parse_binding(found["externalAccountBinding"]))
            if bound is not None:
                self._try(lambda: verify_mac(bound, MAC_KEY))
                self._try(lambda: parse_jwk(json_object(bound.payload, "payload")))
        if "csr" in found:
            csr = self._try(lambda: from_base64url(found["csr"], "csr"))
            if csr is not None:
                self._csr(csr)
        if isinstance(found.get("identifiers"), list):
            values = [one.get("value") for one in found["identifiers"] if isinstance(one, dict)]
            self._try(lambda: parse_names([one for one in values if isinstance(one, str)], _MANY_NAMES))

    def _key_change(self, payload: bytes) -> None:
        inner = self._try(lambda: parse_key_change(payload))
        if inner is not None:
            self._try(lambda: verify(inner, require_jwk(inner)))
            self._try(lambda: check_url(inner, URL))
            self._try(lambda: payload_object(inner))

    def _csr(self, csr: bytes) -> None:
        self._try(lambda: check_csr(csr, NAMES, self._policy))

    def _try(self, act: Callable[[], Any]) -> Any:
        problem: AcmeProblem
        try:
            return act()
        except AcmeProblem as raised:
            problem = raised
        except Refused as refused:
            problem = from_refused(refused)
        status = json.loads(problem_response(problem).body)["status"]
        if status >= SERVER_ERRORS:
            raise ServerFault(str(problem)) from problem
        self._answers.append(problem.kind)
        return None

    def _answer(self) -> str:
        return self._answers[0] if self._answers else "accepted"
