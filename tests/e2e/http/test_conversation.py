"""What a well-behaved client gets: one connection, many requests, in order."""

from __future__ import annotations

import anyio
import pytest
from structlog.testing import capture_logs

from supervisor.http.message import Handler, Request, Response
from tests.e2e.http.door import GET, PATIENCE, open_door, request_of

pytestmark = pytest.mark.anyio


async def test_a_request_reaches_the_handler_whole() -> None:
    """Method, path as sent, query, fields in lower case with repeated ones joined, body, address, no TLS."""
    raw = (
        b"POST /a%20b/c?x=1&y=%41 HTTP/1.1\r\nHost: a.example\r\nX-One: 1\r\nx-one:  2 \r\n"
        b"Content-Length: 5\r\nConnection: close\r\n\r\nhello"
    )
    async with open_door() as door:
        (answer,) = await door.ask(raw)
    headers = {"host": "a.example", "x-one": "1, 2", "content-length": "5", "connection": "close"}
    assert Request("POST", "/a%20b/c", "x=1&y=%41", headers, b"hello", "127.0.0.1", secure=False) == request_of(answer)
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", ""),
        (b"http://a.example/x?y", "/x", "y"),
        (b"https://a.example", "/", ""),
        (b"//x", "//x", ""),
        (b"/?", "/", ""),
        (b"/a?b?c", "/a", "b?c"),
    ],
)
async def test_a_target_is_read_in_both_forms(target: bytes, path: str, query: str) -> None:
    """RFC 9112 3.2: a server must accept the absolute form too."""
    async with open_door() as door:
        (answer,) = await door.ask(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert (path, query) == (request_of(answer).path, request_of(answer).query)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", None),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive"),
        (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
    ],
)
async def test_a_connection_is_kept_where_the_client_keeps_it(head: bytes, said: str | None) -> None:
    """RFC 9112 9.3: HTTP/1.1 unless told otherwise, HTTP/1.0 when told so."""
    async with open_door() as door, await door.connect() as client:
        for _ in range(3):
            await client.send(head)
            answer = await client.answer()
            assert (200, said) == (answer.status, answer.headers.get("connection"))


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: CLOSE\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    ],
)
async def test_a_connection_ends_after_the_answer_where_the_client_ends_it(head: bytes) -> None:
    """Also after an Upgrade, which is ignored (RFC 9110 7.8)."""
    async with open_door() as door:
        (answer,) = await door.ask(head)
    assert (answer.status, answer.headers["connection"]) == (200, "close")


async def test_pipelined_requests_are_answered_in_order_one_at_a_time() -> None:
    """RFC 9112 9.3.2, and however they are cut into packets."""
    at_work = most = 0

    async def handler(request: Request) -> Response:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await anyio.lowlevel.checkpoint()
        at_work -= 1
        return Response(200, request.path.encode() + request.body)

    wanted = [f"/{n}{'x' * n}".encode() for n in range(12)]
    stream = b"".join(
        b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (n, n, b"x" * n) for n in range(12)
    )
    async with open_door(handler) as door:
        for size in (1, 7, 64, len(stream)):
            async with await door.connect() as client:
                for start in range(0, len(stream), size):
                    await client.send(stream[start : start + size])
                assert wanted == [(await client.answer()).body for _ in wanted]
    assert most == 1


async def test_too_many_requests_ahead_are_answered_as_far_as_allowed() -> None:
    """Then the connection ends: a client has to cope with that (RFC 9112 9.3.2)."""
    async with open_door(ahead=4) as door:
        answers = await door.ask(GET * 40)
    assert 4 <= len(answers) < 40
    assert [200] * len(answers) == [answer.status for answer in answers]
    assert answers[-1].headers["connection"] == "close"


async def test_head_has_the_length_and_no_body() -> None:
    """RFC 9110 9.3.2."""

    async def handler(_: Request) -> Response:
        return Response(200, b"hello")

    async with open_door(handler) as door, await door.connect() as client:
        await client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.answer(head=True)).headers == {"content-length": "5"}
        await client.send(GET)
        assert (await client.answer()).body == b"hello"


async def test_no_content_has_no_length() -> None:
    """RFC 9110 8.6."""

    async def handler(_: Request) -> Response:
        return Response(204, b"dropped", [("X-Y", "z")])

    async with open_door(handler) as door, await door.connect() as client:
        for _ in range(2):
            await client.send(GET)
            answer = await client.answer()
            assert answer == (204, {"x-y": "z"}, b"")


@pytest.mark.parametrize(
    "body",
    [
        b"5\r\nhello\r\n0\r\n\r\n",
        b"1\r\nh\r\n4;x=y\r\nello\r\n0\r\nX-Trailer: dropped\r\n\r\n",
        b"0005\r\nhello\r\n000\r\n\r\n",
    ],
)
async def test_a_chunked_body_is_put_together(body: bytes) -> None:
    """RFC 9112 7.1; extensions and trailers are dropped."""
    async with open_door() as door, await door.connect() as client:
        for _ in range(2):
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            found = request_of(await client.answer())
            assert (found.body, found.headers) == (b"hello", {"host": "a", "transfer-encoding": "chunked"})


async def test_a_client_that_waits_for_100_is_told_to_go_on() -> None:
    """RFC 9110 10.1.1; also when the request before it is still in work."""
    release = anyio.Event()

    async def handler(request: Request) -> Response:
        if request.path == "/slow":
            await release.wait()
        return Response(200, request.body)

    head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    async with open_door(handler) as door, await door.connect() as client:
        await client.send(head)
        assert (await client.answer()).status == 100
        await client.send(b"hello")
        assert (await client.answer()).body == b"hello"
        await client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + head)
        release.set()
        assert [(await client.answer()).status, (await client.answer()).status] == [200, 100]
        await client.send(b"again")
        assert (await client.answer()).body == b"again"


async def test_a_client_that_does_not_wait_for_100_gets_none() -> None:
    """RFC 9110 10.1.1: a server may leave it out when the body is there."""
    raw = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    async with open_door() as door:
        assert [answer.status for answer in await door.ask(raw)] == [200]


async def test_a_client_that_closed_its_side_is_answered() -> None:
    """A half-closed connection still carries the answer."""
    async with open_door() as door, await door.connect() as client:
        await client.send(GET * 2)
        await client.stream.send_eof()
        assert [answer.status for answer in await client.rest()] == [200, 200]


async def test_a_client_that_went_away_cancels_nothing() -> None:
    """The handler runs to its end; its answer, and whoever waited to be told that it went out, are dropped."""
    began, release, ended, written = anyio.Event(), anyio.Event(), anyio.Event(), []

    async def handler(request: Request) -> Response:
        if request.path == "/other":
            return Response(200)
        began.set()
        await release.wait()
        ended.set()
        return Response(200, written=lambda: written.append(1))

    with anyio.fail_after(PATIENCE):
        async with open_door(handler) as door:
            async with await door.connect() as client:
                await client.send(GET)
                await began.wait()
                client.reset()
            for _ in range(2):  # by then the server has heard of it
                await door.ask(b"GET /other HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            release.set()
            await ended.wait()
            door.stopping.set()
            await door.stopped.wait()
    assert written == []


async def test_an_answer_that_went_out_is_told() -> None:
    """`written` is called once, when the connection has taken everything."""
    written = []

    async def handler(_: Request) -> Response:
        return Response(200, b"x" * 4_000_000, written=lambda: written.append(1))

    async with open_door(handler) as door, await door.connect() as client:
        await client.send(GET)
        assert len((await client.answer()).body) == 4_000_000
        await client.send(GET)
        await client.answer()
        door.stopping.set()
        await door.stopped.wait()
    assert written == [1, 1]


async def test_settings_count_from_the_next_request_on() -> None:
    """A reload needs no new connection."""
    async with open_door() as door, await door.connect() as client:
        raw = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
        await client.send(raw)
        assert (await client.answer()).status == 200
        door.settings = type(door.settings)(max_body=4)
        await client.send(raw)
        assert (await client.answer()).status == 413


class _FaultyError(Exception):
    """What a handler raises."""


async def _raises(_: Request) -> Response:
    raise _FaultyError


async def _wrong_header(_: Request) -> Response:
    return Response(200, b"", [("Location", "/x\r\nSet-Cookie: y")])


async def _wrong_status(_: Request) -> Response:
    return Response(99)


@pytest.mark.parametrize("handler", [_raises, _wrong_header, _wrong_status])
async def test_a_fault_of_a_handler_is_a_500_and_the_connection_lives_on(
    handler: Handler,
) -> None:
    """The reason is in the log, not in the answer."""
    with capture_logs() as logs:
        async with open_door(handler) as door, await door.connect() as client:
            for _ in range(2):
                await client.send(GET)
                answer = await client.answer()
                assert (answer.status, answer.headers.get("connection")) == (500, None)
                assert b"Faulty" not in answer.body
    failed = {"event": "http.failed", "log_level": "error", "method": "GET", "path": "/", "exc_info": True}
    assert [failed] * 2 == logs[1:]


def _fails(*_: object) -> Response:
    raise _FaultyError


async def test_a_fault_of_the_error_page_is_still_a_500() -> None:
    """With nothing in it; the connection ends."""
    with capture_logs() as logs:
        async with open_door(_raises) as door:
            door.on_refused = _fails
            assert await door.ask(GET) == [(500, {"content-length": "0", "connection": "close"}, b"")]
    assert [line["event"] for line in logs] == ["http.listening", "http.failed", "http.failed"]
