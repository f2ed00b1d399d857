"""An ACME client over HTTPS: raw signed requests (RFC 8555 6.2), and patience with a server that comes and goes."""

from __future__ import annotations

import time
from typing import Any, Final

import anyio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from supervisor.acme.certificate_id import certificate_id
from supervisor.acme.jose.jwk import parse_jwk
from supervisor.acme.urls import Urls
from tests.harness.acme_moves import ES256, JOSE, Answer, Moves
from tests.harness.web import Web
from tests.unit.acme import signing

_PAUSE: Final = 0.03


class AcmeClient(Moves):
    """A client with a key of its own; `web` is its way to the server, which other clients may share.

    Attributes:
        tokens: key authorizations by their tokens: what an http-01 responder answers.
        nonces: those that it has at hand.
        patience: seconds for which a request is sent again after a lost connection, a 503 or a badNonce; 0 for never.
    """

    def __init__(
        self,
        web: Web,
        urls: Urls,
        tokens: dict[str, str],
        private: ec.EllipticCurvePrivateKey | None = None,
        *,
        kid: str = "",
        patience: float = 0.0,
    ) -> None:
        super().__init__(urls, private or ec.generate_private_key(ES256), kid)
        self.web = web
        self.tokens = tokens
        self.nonces: list[str] = []
        self.patience = patience

    def twin(self) -> AcmeClient:
        """The same account at work in another place, with no nonce at hand."""
        return AcmeClient(self.web, self.urls, self.tokens, self.private, kid=self.kid, patience=self.patience)

    async def get(self, url: str, method: str = "GET") -> Answer:
        """A request that needs no account."""
        return Answer(await self.web.ask(method, self._path(url)))

    async def new_nonce(self) -> str:
        """A nonce of its own (RFC 8555 7.2)."""
        nonce = (await self.get(self.urls.new_nonce, "HEAD")).header("Replay-Nonce")
        assert nonce
        return nonce

    async def post(self, url: str, payload: object = b"", *, jwk: bool = False, **changes: Any) -> Answer:
        """As `Moves.post`; every answer has a nonce, and every error is a problem document."""
        give_up = time.monotonic() + self.patience
        while True:
            try:
                answer = await self._once(url, payload, jwk=jwk, changes=changes)
            except OSError:
                if time.monotonic() >= give_up:
                    raise
            else:
                passing = answer.status >= 400 and answer.problem in {(400, "badNonce"), (503, "serverInternal")}
                if not passing or time.monotonic() >= give_up:
                    return answer
            await anyio.sleep(_PAUSE)

    async def _once(self, url: str, payload: object, *, jwk: bool, changes: dict[str, Any]) -> Answer:
        nonce = ""
        if "nonce" not in changes:
            nonce = self.nonces.pop() if self.nonces else await self.new_nonce()
        body = self.signed(url, payload, nonce, jwk=jwk, changes=changes)
        answer = Answer(await self.web.ask("POST", self._path(url), body, {"content-type": JOSE}))
        fresh = answer.header("Replay-Nonce")
        assert fresh, f"{answer.status} without a nonce"
        self.nonces.append(fresh)
        if answer.status >= 400:
            assert answer.problem[1]
        return answer

    async def register(self, **members: Any) -> Answer:
        """Find or make the account of its key."""
        answer = await self.post(self.urls.new_account, {"termsOfServiceAgreed": True, **members}, jwk=True)
        self.kid = answer.header("Location") or ""
        return answer

    async def change_key(self, new: ec.EllipticCurvePrivateKey) -> Answer:
        """Ask for a new key (RFC 8555 7.3.5); the client goes on with the old one until `private` is exchanged."""
        url = self.urls.key_change
        head = {"alg": "ES256", "jwk": signing.jwk(new), "url": url}
        inner = signing.flattened(head, {"account": self.kid, "oldKey": signing.jwk(self.private)}, new)
        return await self.post(url, inner)

    async def certificate(self, order: Answer) -> Answer:
        """The chain of a finished order."""
        return await self.post(order.json["certificate"])

    async def leaf(self, order: Answer) -> x509.Certificate:
        """The certificate of a finished order, fetched."""
        return x509.load_pem_x509_certificate((await self.certificate(order)).response.body)

    async def revoke(self, leaf: x509.Certificate, **members: Any) -> Answer:
        """Revoke, signed by the account (RFC 8555 7.6)."""
        certificate = signing.b64(leaf.public_bytes(Encoding.DER))
        return await self.post(self.urls.revoke_cert, {"certificate": certificate, **members})

    def show(self, challenge: dict[str, Any]) -> None:
        """Have the responder know the key authorization."""
        thumbprint = parse_jwk(signing.jwk(self.private)).thumbprint
        self.tokens[challenge["token"]] = f"{challenge['token']}.{thumbprint}"

    def _path(self, url: str) -> str:
        return url.removeprefix(self.urls.base)


def renewal_id(leaf: x509.Certificate) -> str:
    """The certificate's name in renewal information (RFC 9773 4.1)."""
    authority = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    return certificate_id(authority or b"", leaf.serial_number)
