"""http-01 (RFC 8555 8.3): the key authorization is at a well-known URL. For `validators` alone."""

from __future__ import annotations

import hashlib
from http import HTTPStatus

from stages.challenges.evidence import Fault, Trail
from stages.challenges.httpreply import REDIRECTS, BadReply, ReplyReader
from stages.challenges.names import canonical_host
from stages.challenges.settings import Claim, Tools
from stages.challenges.streams import Connection, is_answer, phrase
from stages.challenges.urls import BadRedirect, Url, first_url, redirected


async def http01(tools: Tools, claim: Claim, trail: Trail) -> None:
    """Fetch the URL, along redirects, and compare the body; return when it is the key authorization.

    Every hop is resolved and judged anew. The certificates of https redirects are not verified.

    Raises:
        Fault: kinds "dns", "connection", "tls" and "incorrectResponse"; "malformed" where http-01 cannot
            prove the name.
    """
    host = canonical_host(claim.name)
    if host is None:
        raise Fault("malformed", "http-01 proves DNS names and IP addresses, no wildcards", lasting=True)
    settings = tools.settings
    url = first_url(host, settings.http_port, claim.token)
    visited = {url}
    for _ in range(settings.max_redirects + 1):
        reply, where = await _get(tools, url, trail)
        if reply.status not in REDIRECTS:
            _compare(reply, where, claim.key_authorization)
            return
        try:
            onward = redirected(url, reply.locations, (settings.http_port, settings.https_port))
        except BadRedirect as error:
            detail = f"the redirect {where} is not followed: {error}"
            raise Fault("incorrectResponse", detail, lasting=True) from error
        if onward in visited:
            detail = f"the redirect {where} is not followed: it leads back to where it came from"
            raise Fault("incorrectResponse", detail, lasting=True)
        visited.add(onward)
        url = onward
    detail = f"more than {settings.max_redirects} redirects, the last one {where}"
    raise Fault("incorrectResponse", detail, lasting=True)


async def _get(tools: Tools, url: Url, trail: Trail) -> tuple[ReplyReader, str]:
    """Ask for one URL; return the response and the words that say whose it is."""
    connection, address = await tools.dialer.dial(url.origin, url.host, url.port, trail)
    where = f"from {address} at {url.origin}"
    reply = ReplyReader(tools.settings.body_cap)
    with connection:
        if url.scheme == "https":
            await _shake_hands(tools, connection, url, where, trail)
        trail.doing(f"reading the response {where}")
        try:
            await connection.send(url.request)
            while not reply.done:
                if data := await connection.receive():
                    reply.feed(data)
                else:
                    reply.end()
        except OSError as error:
            trail.saw(phrase(error))
            detail = f"the response {where} could not be read: {phrase(error)}"
            raise Fault("connection", detail, lasting=False) from error
        except BadReply as error:
            trail.saw(str(error))
            kind, lasting = ("incorrectResponse", True) if reply.received else ("connection", False)
            raise Fault(kind, f"the response {where} is refused: {error}", lasting=lasting) from error
    trail.saw(f"status {reply.status}")
    return reply, where


async def _shake_hands(tools: Tools, connection: Connection, url: Url, where: str, trail: Trail) -> None:
    trail.doing(f"shaking hands in TLS for the response {where}", "tls")
    try:
        await connection.start_tls(tools.https, url.host)
    except OSError as error:
        trail.saw(phrase(error))
        detail = f"no TLS for the response {where}: {phrase(error)}"
        raise Fault("tls", detail, lasting=is_answer(error)) from error


def _compare(reply: ReplyReader, where: str, key_authorization: str) -> None:
    status = reply.status
    if status != HTTPStatus.OK:
        passing = status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        raise Fault("incorrectResponse", f"expected status 200, saw {status} {where}", lasting=not passing)
    body = bytes(reply.body).rstrip(b" \t\r\n")  # RFC 8555 8.3: whitespace at the end is ignored
    if body != key_authorization.encode("ascii"):
        digest = hashlib.sha256(body).hexdigest()[:16]
        seen = f"saw {len(body)} bytes, SHA-256 {digest}..., {where}"
        raise Fault("incorrectResponse", f"expected the key authorization as the body, {seen}", lasting=True)
