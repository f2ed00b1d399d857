"""A lean ACME client for one worker: one account, one connection that stays open, one request at a time.

It costs as little as Python can, so that it is not what is measured: HTTP/1.1 by llhttp, ES256 by `cryptography`.
For `benchmarks.sides.acme_load` and its fellows; no part of the product, and it takes nothing from the product.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from collections import Counter
from itertools import chain, repeat
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import httptools
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

PAUSES = (0.0, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032)
"""Seconds before each poll of what is not decided yet; the last goes on. Far shorter than any real client's, so that no
server is slowed by its client."""
_LIMIT = 60.0
_ES256 = ec.ECDSA(hashes.SHA256())


class Reply(NamedTuple):
    """One answer; names of headers are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


class AcmeError(Exception):
    """The server refused, or answered what no client can go on with."""


class Connection(asyncio.Protocol):
    """A connection that is kept alive; httptools calls the `on_` methods."""

    def __init__(self) -> None:
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[Reply] | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits hears it."""
        self.closed = True
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        """A piece of an answer."""
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """The answer is whole."""
        reply = Reply(self._parser.get_status_code(), self._headers, self._body)
        self.closed = self.closed or not self._parser.should_keep_alive()
        self._begin()
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(reply)

    async def send(self, data: bytes) -> Reply:
        """Send a request and wait for its answer."""
        assert self._transport is not None  # noqa: S101  for the type checker
        self._reply = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return await self._reply

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.close()


class Client:
    """One worker with an account of its own.

    Attributes:
        tokens: what the responder answers: the key authorization for each token.
        requests: how many were sent, by what they were for.
        took: milliseconds of each request, by what it was for.
    """

    def __init__(self, directory: str, trust: ssl.SSLContext, tokens: dict[str, str]) -> None:
        self.tokens = tokens
        self.requests: Counter[str] = Counter()
        self.took: dict[str, list[float]] = {}
        self._directory_url = directory
        self._trust = trust
        self._key = ec.generate_private_key(ec.SECP256R1())
        numbers = self._key.public_key().public_numbers()
        self._jwk = {"crv": "P-256", "kty": "EC", "x": b64(numbers.x.to_bytes(32)), "y": b64(numbers.y.to_bytes(32))}
        digest = hashes.Hash(hashes.SHA256())
        digest.update(json.dumps(self._jwk, separators=(",", ":"), sort_keys=True).encode())
        self._thumbprint = b64(digest.finalize())
        self._kid = self._nonce = ""
        self._urls: dict[str, Any] = {}
        self._connection: Connection | None = None

    @property
    def is_connected(self) -> bool:
        """Whether its connection is open."""
        return self._connection is not None and not self._connection.closed

    async def get_directory(self) -> None:
        """Read the directory."""
        self._urls = (await self._send("GET", self._directory_url, "directory")).json()

    async def start(self) -> None:
        """Read the directory and make the account."""
        await self.get_directory()
        nonce = await self._send("GET", self._urls["newNonce"], "newNonce")
        self._nonce = nonce.headers["replay-nonce"]
        made = await self.post("newAccount", self._urls["newAccount"], {"termsOfServiceAgreed": True})
        self._kid = made.headers["location"]

    def reset(self) -> None:
        """Begin to count."""
        self.requests.clear()
        self.took.clear()

    async def own_account(self) -> None:
        """Look at the account: a request that changes nothing."""
        await self.post("account", self._kid)

    async def new_order(self, name: str) -> Reply:
        """The first request of an order."""
        return await self.post("newOrder", self._urls["newOrder"], {"identifiers": [{"type": "dns", "value": name}]})

    async def order(self, name: str, csr: str) -> str:
        """One whole order, from newOrder to the chain; `csr` is base64url of its DER. The chain comes back."""
        made = await self.new_order(name)
        url, order = made.headers["location"], made.json()
        (authorization_url,) = order["authorizations"]
        authorization = (await self.post("authorization", authorization_url)).json()
        (challenge,) = (one for one in authorization["challenges"] if one["type"] == "http-01")
        self.tokens[challenge["token"]] = f"{challenge['token']}.{self._thumbprint}"
        answered = (await self.post("challenge", challenge["url"], {})).json()
        if answered["status"] != "valid":
            await self._poll("authorization", authorization_url, "valid")
        del self.tokens[challenge["token"]]
        order = (await self.post("finalize", order["finalize"], {"csr": csr})).json()
        if order["status"] != "valid":
            order = await self._poll("order", url, "valid")
        return (await self.post("certificate", order["certificate"])).body.decode()

    async def _poll(self, what: str, url: str, wanted: str) -> Any:
        """Ask until it is as wanted; a Retry-After is a server's wish, and of use only to those that send none."""
        for pause in chain(PAUSES, repeat(PAUSES[-1])):
            await asyncio.sleep(pause)
            found = (await self.post(f"{what} again", url)).json()
            if found["status"] == wanted:
                return found
            if found["status"] not in {"pending", "processing", "ready"}:
                raise AcmeError(f"{what}: {found}")
        raise AssertionError

    async def post(self, what: str, url: str, payload: dict[str, Any] | None = None) -> Reply:
        """A signed request (RFC 8555 6.2); None is POST-as-GET. Raises AcmeError for any refusal but badNonce."""
        for _ in range(3):
            reply = await self._send("POST", url, what, self._signed(url, payload))
            self._nonce = reply.headers.get("replay-nonce", "")
            if reply.status < 400:  # noqa: PLR2004  RFC 9110 15
                return reply
            if b"badNonce" not in reply.body:
                break
        raise AcmeError(f"{what}: {reply.status} {reply.body[:400]!r}")

    def _signed(self, url: str, payload: dict[str, Any] | None) -> bytes:
        known = {"kid": self._kid} if self._kid else {"jwk": self._jwk}
        protected = b64(json.dumps({"alg": "ES256", "nonce": self._nonce, "url": url, **known}).encode())
        body = b64(json.dumps(payload).encode()) if payload is not None else ""
        r, s = decode_dss_signature(self._key.sign(f"{protected}.{body}".encode(), _ES256))
        signature = b64(r.to_bytes(32) + s.to_bytes(32))
        return f'{{"protected":"{protected}","payload":"{body}","signature":"{signature}"}}'.encode()

    async def _send(self, method: str, url: str, what: str, body: bytes = b"") -> Reply:
        parts = urlsplit(url)
        head = f"{method} {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: bench\r\n"
        if body:
            head += f"Content-Type: application/jose+json\r\nContent-Length: {len(body)}\r\n"
        connection = self._connection
        if connection is None or connection.closed:
            loop = asyncio.get_running_loop()
            host, port = parts.hostname or "", parts.port or 443
            _, connection = await loop.create_connection(Connection, host, port, ssl=self._trust)
            self._connection = connection
        self.requests[what] += 1
        began = time.perf_counter()
        async with asyncio.timeout(_LIMIT):
            reply = await connection.send(f"{head}\r\n".encode() + body)
        self.took.setdefault(what, []).append((time.perf_counter() - began) * 1000)
        return reply

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()


def b64(data: bytes) -> str:
    """Base64url without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
