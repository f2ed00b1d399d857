"""Makes the bytes of a reply (RFC 9112 4). Pure; for `protocol` only."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from supervisor.http.message import Response

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_RESORT: Final = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
"""For an error of whoever answers errors."""

_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_OWN: Final = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive"})


class BadResponse(ValueError):  # noqa: N818  a fault of the handler, answered like any other
    """A handler's reply cannot be sent."""


def encode(response: Response, method: str, *, keep: bool, old: bool) -> bytes:
    """The whole reply.

    Args:
        response: what the handler gave.
        method: of the request: a HEAD gets no body, and the length of what a GET would get (RFC 9110 8.6).
        keep: whether the connection lives on; `old` says that the client speaks HTTP/1.0 and has to be told so.
        old: as above.

    Raises BadResponse for a status, a field name or a value that must not go out: a line end in a value would let its
    author write fields of his own.
    """
    status, body = response.status, response.body
    if status not in _LINES or status < HTTPStatus.OK:
        raise BadResponse(f"status: {status} is no final status")
    lines = [_LINES[status]]
    for name, value in response.headers:
        if not (name.isascii() and name.replace("-", "a").isalnum()) or name.lower() in _OWN:
            raise BadResponse(f"header {name!a}: it is not a field that a handler can set")
        if not (value.isascii() and value.isprintable()):
            raise BadResponse(f"header {name}: the value is not printable ASCII")
        lines.append(f"{name}: {value}\r\n")
    if status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
        body = b""  # RFC 9110 8.6: and 204 has no Content-Length
    else:
        lines.append(f"Content-Length: {len(body)}\r\n")
    if not keep:
        lines.append("Connection: close\r\n\r\n")
    else:
        lines.append("Connection: keep-alive\r\n\r\n" if old else "\r\n")
    head = "".join(lines).encode("ascii")
    return head if method == "HEAD" else head + body
