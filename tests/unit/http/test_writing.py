"""The bytes of a reply."""

from __future__ import annotations

import pytest

from supervisor.http.message import Response
from supervisor.http.writing import BadResponse, encode


@pytest.mark.parametrize(
    ("response", "method", "keep", "old", "data"),
    [
        (Response(200, b"ab", [("X", "y")]), "GET", True, False, "200 OK\r\nX: y\r\nContent-Length: 2\r\n\r\nab"),
        (Response(200, b"ab"), "HEAD", True, False, "200 OK\r\nContent-Length: 2\r\n\r\n"),
        (Response(404), "GET", False, False, "404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        (Response(201), "POST", True, True, "201 Created\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"),
        (Response(204, b"x"), "GET", True, False, "204 No Content\r\n\r\n"),
        (Response(304, b"x"), "GET", True, False, "304 Not Modified\r\n\r\n"),
    ],
)
def test_a_reply_is_written(response: Response, method: str, data: str, *, keep: bool, old: bool) -> None:
    """RFC 9112 4; the length is that of a GET's body (RFC 9110 8.6)."""
    assert f"HTTP/1.1 {data}".encode() == encode(response, method, keep=keep, old=old)


@pytest.mark.parametrize(
    "response",
    [
        Response(100),
        Response(0),
        Response(299),
        Response(200, headers=[("X", "a\r\nY: b")]),
        Response(200, headers=[("X", "a\nb")]),
        Response(200, headers=[("X", "a\x00b")]),
        Response(200, headers=[("X", "ä")]),
        Response(200, headers=[("X Y", "a")]),
        Response(200, headers=[("", "a")]),
        Response(200, headers=[("X\r\nY", "a")]),
        Response(200, headers=[("Content-Length", "5")]),
        Response(200, headers=[("Transfer-Encoding", "chunked")]),
        Response(200, headers=[("connection", "keep-alive")]),
    ],
)
def test_what_must_not_go_out_does_not(response: Response) -> None:
    """No handler, and nobody through one, writes the framing or a field of his own."""
    with pytest.raises(BadResponse):
        encode(response, "GET", keep=True, old=False)
