"""Posts a notice as signed JSON to one URL. For `supervisor.warnings.channels` only.

It speaks HTTP itself (RFC 9112), with the parser that the doors use: one request, one status, then the connection ends.
So nothing blocks the loop, a deadline ends it wherever it is, and no redirect can send a notice elsewhere. No proxy is
used. The signature covers time and body, so that nobody can send an old notice again unnoticed.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from typing import Final
from urllib.parse import urlsplit

import anyio
import httptools
import msgspec
from anyio.abc import ByteStream

from supervisor.version import VERSION
from supervisor.warnings.notice import Notice

SIGNATURE: Final = "CA-Supervisor-Signature"
TIMESTAMP: Final = "CA-Supervisor-Timestamp"
_MOST_HEAD: Final = 16 << 10
_PIECE: Final = 4096
_PORTS: Final = {"http": 80, "https": 443}


class NotTold(Exception):  # noqa: N818  a condition that passes
    """A notice was not taken; the reason has no secret, and nothing of what the other side has sent."""


def signature(secret: str, time: int, body: bytes) -> str:
    """The header's value: HMAC-SHA256 over the time in decimal, a dot and the body, in lower-case hex."""
    return "sha256=" + hmac.digest(secret.encode(), f"{time}.".encode() + body, hashlib.sha256).hex()


class Webhook:
    """Posts to `url`; an empty `secret` means no signature. `tls` is for https:// URLs, `timeout` for all of it."""

    name = "webhook"

    def __init__(self, url: str, secret: str, tls: ssl.SSLContext, timeout: float) -> None:
        self._url = url
        self._secret = secret
        self._tls = tls
        self._timeout = timeout

    async def send(self, notice: Notice) -> str:
        """Post it; always "". Raises NotTold unless the answer is 2xx."""
        try:
            with anyio.fail_after(self._timeout):
                status = await self._post(notice)
        except TimeoutError:
            raise NotTold(f"no answer within {self._timeout:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise NotTold(f"the server's certificate is not trusted: {error.verify_message}") from None
        except OSError as error:
            raise NotTold(f"the server cannot be reached: {_reason(error)}") from None
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            raise NotTold("the connection ended without an answer") from None
        if 300 <= status < 400:  # noqa: PLR2004  RFC 9110 15.4
            raise NotTold(f"the answer is {status}: redirects are not followed, name the last URL in the setting")
        if not 200 <= status < 300:  # noqa: PLR2004  RFC 9110 15.3
            raise NotTold(f"the answer is {status}")
        return ""

    async def _post(self, notice: Notice) -> int:
        parts = urlsplit(self._url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        async with await self._connect(host, port, secure=parts.scheme == "https") as stream:
            await stream.send(self._request(notice))
            answer = _Answer()
            while not answer.complete:
                answer.feed(await stream.receive(_PIECE))
            return answer.status

    async def _connect(self, host: str, port: int, *, secure: bool) -> ByteStream:
        if not secure:
            return await anyio.connect_tcp(host, port)
        # standard_compatible would wait for a close_notify that many servers do not send
        return await anyio.connect_tcp(host, port, ssl_context=self._tls, tls_standard_compatible=False)

    def _request(self, notice: Notice) -> bytes:
        parts, body = urlsplit(self._url), msgspec.json.encode(notice)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = {
            "Host": parts.netloc,
            "User-Agent": f"ca-supervisor/{VERSION}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            TIMESTAMP: str(notice.time),
        }
        if self._secret:
            head[SIGNATURE] = signature(self._secret, notice.time, body)
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
        return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body


def _reason(error: OSError) -> str:
    """Of several tries (IPv6, IPv4) the first."""
    cause: BaseException = error.__cause__ or error
    if isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    return (cause.strerror if isinstance(cause, OSError) else "") or type(cause).__name__


class _Answer:
    """The head of an answer; interim ones (RFC 9110 15.2) are passed over."""

    def __init__(self) -> None:
        self.complete = False
        self.status = 0
        self._size = 0
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if not self.complete:
                raise NotTold("the answer is no HTTP") from None
        if self._size > _MOST_HEAD and not self.complete:
            raise NotTold("the answer's head is too long")

    def on_headers_complete(self) -> None:
        """Called by the parser: the head is there."""
        self.status = self._parser.get_status_code()
        self.complete = self.status >= 200  # noqa: PLR2004  RFC 9110 15.2
