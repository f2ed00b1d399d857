"""Who is let in to the admin listener, and which page answers."""

from __future__ import annotations

import base64

import anyio
import pytest

from supervisor.admin.door import Door, json_response
from supervisor.admin.gate import Gate
from supervisor.http.message import Handler, Request, Response

TOKEN = "a-token-of-24-characters"  # noqa: S105  of these tests alone


def asked(path: str = "/a", method: str = "GET", **headers: str) -> Request:
    return Request(method, path, "", {"host": "localhost", **headers}, b"", "127.0.0.1", secure=False)


def says(text: str) -> Handler:
    async def handler(_: Request) -> Response:
        return Response(200, text.encode())

    return handler


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("expected", "authorization"),
    [
        (True, f"Bearer {TOKEN}"),
        (True, f"bearer  {TOKEN} "),
        (True, basic(f"admin:{TOKEN}")),
        (True, basic(f":{TOKEN}")),
        (False, ""),
        (False, TOKEN),
        (False, f"Bearer {TOKEN}x"),
        (False, f"Bearer {TOKEN[:-1]}"),
        (False, f"Bearer {TOKEN}\xe9"),
        (False, f"Digest {TOKEN}"),
        (False, basic(TOKEN)),
        (False, basic(f"{TOKEN}:")),
        (False, "Basic !"),
        (False, "Basic \xe9"),
    ],
)
def test_token(expected: bool, authorization: str) -> None:  # noqa: FBT001  a column of the table
    """The token is a Bearer token, or the password of Basic with any user; nothing else is."""
    assert expected is Gate(lambda: TOKEN, browsers=True).lets_in(asked(authorization=authorization))


@pytest.mark.parametrize(
    ("expected", "host"),
    [
        (True, "localhost"),
        (True, "LOCALHOST.:8470"),
        (True, "127.0.0.1:8470"),
        (True, "[::1]:8470"),
        (True, "192.0.2.1"),
        (False, "rebound.example.org"),
        (False, "127.0.0.1.example.org:8470"),
        (False, "localhost.example.org"),
        (False, "[::1].example.org"),
        (False, ""),
    ],
)
def test_host(expected: bool, host: str) -> None:  # noqa: FBT001  as above
    """Without a token only addresses and localhost are names of the listener."""
    assert expected is Gate(str, browsers=True).knows_host(asked(host=host))


def test_host_of_no_browser() -> None:
    """On a unix socket, and where a token is asked for, any Host will do."""
    request = asked(host="ca.example.org")
    assert Gate(str, browsers=False).knows_host(request)
    assert Gate(lambda: TOKEN, browsers=True).knows_host(request)


@pytest.mark.anyio
async def test_routes() -> None:
    """An exact path counts before one below a folder, and the longest folder before a shorter one."""
    routes = {"/a": says("a"), "/a/*": says("below a"), "/a/b/*": says("below b"), "/a/c": says("c")}
    opened = Door(routes, Gate(str, browsers=True))
    found = [
        (answer.status, answer.body)
        for answer in [await opened.handle(asked(path)) for path in ("/a", "/a/x", "/a/b/x", "/a/c", "/ab", "/")]
    ]
    assert found == [
        (200, b"a"),
        (200, b"below a"),
        (200, b"below b"),
        (200, b"c"),
        (404, b'{"error":"there is /a, /a/*, /a/b/*, /a/c"}\n'),
        (404, b'{"error":"there is /a, /a/*, /a/b/*, /a/c"}\n'),
    ]


@pytest.mark.anyio
async def test_order_of_refusals() -> None:
    """Who has no token learns neither which paths there are nor which methods."""
    opened = Door({"/a": says("a")}, Gate(lambda: TOKEN, browsers=True))
    statuses = [
        (await opened.handle(asked("/nothing", "POST"))).status,
        (await opened.handle(asked("/nothing", "POST", authorization=f"Bearer {TOKEN}"))).status,
        (await opened.handle(asked("/nothing", authorization=f"Bearer {TOKEN}"))).status,
    ]
    assert statuses == [401, 405, 404]


@pytest.mark.anyio
async def test_fields_of_every_answer() -> None:
    """A page may set a policy of its own; all other fields are there, on errors too."""

    async def page(_: Request) -> Response:
        return Response(200, b"", [("content-security-policy", "default-src 'self'")])

    opened = Door({"/a": page}, Gate(str, browsers=True))
    always = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    strict = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
    assert dict((await opened.handle(asked())).headers) == always | {"content-security-policy": "default-src 'self'"}
    assert dict((await opened.handle(asked("/b"))).headers) == always | strict | {"Content-Type": "application/json"}


@pytest.mark.anyio
async def test_slow_page_is_given_up() -> None:
    """A page that hangs on its store costs its own client only."""

    async def hangs(_: Request) -> Response:
        await anyio.sleep_forever()
        return json_response(200, {})

    answer = await Door({"/a": hangs}, Gate(str, browsers=True), 0.0).handle(asked())
    assert (answer.status, answer.body) == (503, b'{"error":"the page was not made within 0 seconds"}\n')
