"""What is refused, by which status, and that nothing of it reaches the handler."""

from __future__ import annotations

from typing import Any

import pytest

from supervisor.http.message import Request, Response
from tests.e2e.http.door import GET, open_door

pytestmark = pytest.mark.anyio

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

NOT_HTTP = {
    "words": b"hello there\r\n\r\n",
    "a TLS client": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown method": b"FETCH / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method in lower case": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a version with letters": b"GET / HTTP/x.y\r\nHost: a\r\n\r\n",
    "a tab for a space": b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "a control character in the target": b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a byte above ASCII in the target": b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a fragment": b"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
    "no slash": b"GET x HTTP/1.1\r\nHost: a\r\n\r\n",
    "another scheme": b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a star": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT": b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "a folded field": b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
    "a field without a name": b"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
    "a field without a colon": b"GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n",
    "a NUL in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
    "a bare CR in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "the same length twice": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "a list of lengths": POST + b"Content-Length: 1, 1\r\n\r\nx",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": POST + b"Content-Length: +1\r\n\r\nx",
    "a length that is no number": POST + b"Content-Length: x\r\n\r\n",
    "a length beyond 64 bits": POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "a length and chunks": POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
    "chunked, but not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk size that is none": CHUNKED + b"x\r\n",
    "a chunk that is longer than it says": CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + b"-1\r\n\r\n",
    "a chunk beyond 64 bits": CHUNKED + b"fffffffffffffffff\r\n",
}

TOO_MUCH = {
    "a coding that is not known": (501, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n"),
    "an expectation that is not known": (417, POST + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\n"),
    "no version, which is HTTP/0.9": (505, b"GET /\r\n\r\n"),
    "HTTP/0.9": (505, b"GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
    "HTTP/2.0": (505, b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    "a long target": (414, b"GET /" + b"x" * 100 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a target that does not end": (414, b"GET /" + b"x" * 300),
    "a long field": (431, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200 + b"\r\n\r\n"),
    "many fields": (431, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 50 + b"\r\n"),
    "a long name of a field": (431, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"x" * 200 + b": y\r\n\r\n"),
    "a declared body": (413, POST + b"Content-Length: 51\r\n\r\n"),
    "a declared body, asked about": (413, POST + b"Expect: 100-continue\r\nContent-Length: 51\r\n\r\n"),
    "a declared body that is there": (413, POST + b"Content-Length: 5000\r\n\r\n" + b"x" * 5000),
    "a large chunk": (413, CHUNKED + b"33\r\n" + b"x" * 51),
    "many chunks": (413, CHUNKED + b"1\r\nx\r\n" * 51),
    "a chunk that says too much": (413, CHUNKED + b"ffffffff\r\n" + b"x" * 60),
}

SETTINGS: dict[str, Any] = {"max_target": 99, "max_head": 150, "max_body": 50}


@pytest.mark.parametrize(
    ("status", "raw"),
    [*((400, raw) for raw in NOT_HTTP.values()), *TOO_MUCH.values()],
    ids=[*NOT_HTTP, *TOO_MUCH],
)
async def test_a_bad_request_is_refused_and_ends_the_connection(status: int, raw: bytes) -> None:
    """Also after a good one, which is answered first; one answer, and the handler is not asked."""
    heard = []

    async def handler(request: Request) -> Response:
        heard.append(request)
        return Response(200)

    async with open_door(handler, **SETTINGS) as door:
        (alone,) = await door.ask(raw)
        assert (status, "close", []) == (alone.status, alone.headers["connection"], heard)
        assert alone.body.decode() == door.refused[0][1]
        assert [200, status] == [answer.status for answer in await door.ask(GET + raw)]
    assert len(heard) == 1


async def test_what_the_parser_keeps_is_bounded_in_small_packets_too() -> None:
    """A field, an empty line, a chunk's extension or a trailer that never ends, a kilobyte at a time."""
    endless = [
        (431, b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"x" * 1000),
        (431, b"", b"\r\n" * 500),
        (413, CHUNKED + b"1;", b"x" * 1000),
        (413, CHUNKED + b"0\r\nX: ", b"x" * 1000),
    ]
    async with open_door(**SETTINGS) as door:
        for status, start, piece in endless:
            async with await door.connect() as client:
                await client.send(start + piece)
                for _ in range(5):
                    await client.send(piece)
                assert [status] == [answer.status for answer in await client.rest()]


async def test_an_answer_is_heard_by_a_client_that_goes_on_sending() -> None:
    """The server takes a while to close: with unread bytes the answer would be lost."""
    async with open_door(max_body=10) as door, await door.connect() as client:
        await client.send(POST + b"Content-Length: 1000000\r\n\r\n")
        for _ in range(10):
            await client.send(b"x" * 10_000)
        assert (await client.answer()).status == 413
