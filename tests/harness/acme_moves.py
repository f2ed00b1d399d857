"""What an ACME client does, step by step, over a `post` of its own: one server in this process, or one over HTTPS.

Used by the clients of tests/store/acme and of tests/e2e/acme.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import anyio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from stages.ca.certificate import general_name
from supervisor.acme.urls import Urls
from supervisor.http.message import Response
from tests.unit.acme import signing

JOSE = "application/jose+json"
ES256 = ec.SECP256R1()
_PAUSE = 0.02
"""Seconds between two looks at what is processing."""


class Answer:
    """A reply, read."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.status = response.status

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.response.body)

    @property
    def problem(self) -> tuple[int, str]:
        """Its status and the type of its problem document, which is whole."""
        document = self.json
        assert self.header("Content-Type") == "application/problem+json"
        assert document["status"] == self.status
        assert document["detail"]
        return self.status, document["type"].removeprefix("urn:ietf:params:acme:error:")

    def header(self, name: str) -> str | None:
        """The one field of that name."""
        found = self.headers(name)
        assert len(found) < 2
        return found[0] if found else None

    def headers(self, name: str) -> list[str]:
        """All fields of that name."""
        return [value for field, value in self.response.headers if field.lower() == name.lower()]


class Moves(ABC):
    """A client with the account key `private`; `kid` is its account's URL once it has one."""

    def __init__(self, urls: Urls, private: ec.EllipticCurvePrivateKey, kid: str = "") -> None:
        self.urls = urls
        self.private = private
        self.kid = kid

    @property
    def id(self) -> str:
        """Its account's id."""
        return self.urls.account_id(self.kid)

    @abstractmethod
    async def post(self, url: str, payload: object = b"", *, jwk: bool = False, **changes: Any) -> Answer:
        """Sign and ask; no payload is POST-as-GET. `changes` are to the protected header; None takes a member out."""

    def signed(self, url: str, payload: object, nonce: str, *, jwk: bool, changes: dict[str, Any]) -> bytes:
        """The body of a request."""
        way = {"jwk": signing.jwk(self.private)} if jwk else {"kid": self.kid}
        head = {"alg": "ES256", "nonce": nonce, "url": url, **way} | changes
        members = {name: value for name, value in head.items() if value is not None}
        return signing.body(members, payload, self.private)

    def show(self, challenge: dict[str, Any]) -> None:  # noqa: B027  no duty of those whose network is played
        """Have the proof of a challenge where the server looks for it."""

    async def order(self, *names: str, **members: Any) -> Answer:
        """Ask newOrder for DNS names and IP addresses."""
        identifiers = [{"type": "ip" if name[-1].isdigit() or ":" in name else "dns", "value": name} for name in names]
        return await self.post(self.urls.new_order, {"identifiers": identifiers, **members})

    async def authorization(self, order: Answer, i: int = 1) -> Answer:
        """The authorization of an order's name number `i`."""
        return await self.post(order.json["authorizations"][i - 1])

    async def offered(self, order: Answer, i: int = 1, kind: str = "http-01") -> dict[str, Any]:
        """The challenge of this type for name number `i`."""
        found: list[dict[str, Any]] = (await self.authorization(order, i)).json["challenges"]
        return next(each for each in found if each["type"] == kind)

    async def challenge(self, order: Answer, i: int = 1, kind: str = "http-01") -> str:
        """Its URL."""
        return str((await self.offered(order, i, kind))["url"])

    async def proven(self, *names: str, **members: Any) -> Answer:
        """An order all of whose names are proven."""
        order = await self.order(*names, **members)
        assert order.status == 201, order.response.body
        for i, name in enumerate(names, 1):
            challenge = await self.offered(order, i, "dns-01" if name.startswith("*.") else "http-01")
            self.show(challenge)
            answer = await self.settled(challenge["url"], await self.post(challenge["url"], {}))
            assert answer.json["status"] == "valid", answer.json
        return order

    async def finalize(self, order: Answer, csr: bytes) -> Answer:
        """Send a CSR."""
        return await self.post(order.json["finalize"], {"csr": signing.b64(csr)})

    async def issued(self, *names: str, key: ec.EllipticCurvePrivateKey | None = None, **members: Any) -> Answer:
        """A finished order."""
        order = await self.proven(*names, **members)
        answer = await self.finalize(order, csr_for(names, key))
        answer = await self.settled(order.header("Location") or "", answer)
        assert answer.json["status"] == "valid", answer.json
        return answer

    async def settled(self, url: str, answer: Answer) -> Answer:
        """Ask again until what was answered is not `processing` any more."""
        while answer.json["status"] == "processing":
            await anyio.sleep(_PAUSE)
            answer = await self.post(url)
        return answer


def session_of(order: Answer) -> str:
    """The session that an order is."""
    return (order.header("Location") or "").rsplit("/", 1)[1]


def csr_for(names: Sequence[str], key: ec.EllipticCurvePrivateKey | None = None, *, common_name: str = "") -> bytes:
    """The DER of a CSR for these names."""
    subject = [x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    builder = builder.add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
    return builder.sign(key or ec.generate_private_key(ES256), hashes.SHA256()).public_bytes(Encoding.DER)
