"""Addresses at the start, and the end in order."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import anyio
import anyio.abc
import pytest

from stages.errors import Refused
from supervisor.http.message import Request, Response
from supervisor.http.server import serve
from supervisor.http.settings import HttpSettings
from supervisor.http.tls import ServerTls
from tests.e2e.http.door import GET, PATIENCE, Door, echo, open_door
from tests.harness.fetching import service_port
from tests.harness.tls import Certificates

pytestmark = pytest.mark.anyio


async def start(addresses: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Where a server listens that is asked to listen there; it is stopped at once."""
    door = Door(HttpSettings())
    bound: list[tuple[str, int]] = []

    class Status(anyio.abc.TaskStatus[list[tuple[str, int]]]):
        def started(self, value: list[tuple[str, int]] | None = None) -> None:
            bound.extend(value or [])
            door.stopping.set()

    await serve(
        addresses,
        echo,
        lambda: door.settings,
        tls=None,
        on_refused=door.on_refused,
        stopping=door.stopping,
        task_status=Status(),
    )
    return bound


async def test_it_listens_on_several_addresses() -> None:
    """IPv4 and IPv6 apart, also on the same port."""
    port = service_port()
    bound = await start([("0.0.0.0", port), ("::", port), ("127.0.0.1", 0)])  # noqa: S104  for a moment
    assert [("0.0.0.0", port), ("::", port), "127.0.0.1"] == [bound[0], bound[1], bound[2][0]]  # noqa: S104


@pytest.mark.parametrize("host", ["192.0.2.1", "name.invalid", "300.1.1.1"])
async def test_an_address_that_is_not_ours_is_refused(host: str) -> None:
    """The sentence names the setting and the address."""
    with pytest.raises(Refused, match="cannot be listened on") as refused:
        await start([("127.0.0.1", 0), (host, 443)])
    assert (refused.value.kind, refused.value.field) == ("config", "acme.listen")
    assert refused.value.reason.startswith(f"{host}:443 ")


async def test_a_port_in_use_is_refused_and_the_others_are_given_back() -> None:
    """Nothing is half open."""
    free = service_port()
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(Refused, match="Address already in use"):
        await start([("127.0.0.1", free), other.getsockname()])
    assert [("127.0.0.1", free)] == await start([("127.0.0.1", free)])


class _Slow:
    """A handler that waits to be released."""

    def __init__(self) -> None:
        self.began = anyio.Event()
        self.release = anyio.Event()
        self.cancelled = anyio.Event()

    async def __call__(self, request: Request) -> Response:
        """Wait, but for the path /fast."""
        if request.path == "/slow":
            self.began.set()
            try:
                await self.release.wait()
            except anyio.get_cancelled_exc_class():
                self.cancelled.set()
                raise
        return Response(200, b"done")


SLOW = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("over_tls", [False, True])
async def test_a_stop_ends_idle_connections_and_lets_work_end(tmp_path: Path, *, over_tls: bool) -> None:
    """Used ones at once, new ones and half a handshake soon; what is in work is answered, and that was the last."""
    made, slow = Certificates(tmp_path), _Slow()
    tls = ServerTls(made.server, made.server) if over_tls else None
    context = ssl.create_default_context(cafile=made.ca) if over_tls else None
    async with (
        open_door(slow, tls=tls, grace=60) as door,
        await door.connect(context) as idle,
        await door.connect(context) as used,
        await door.connect(context) as at_work,
        await door.connect() as silent,
    ):
        await used.send(GET)
        await used.answer()
        await at_work.send(SLOW)
        await slow.began.wait()
        door.stopping.set()
        for client in (idle, used, silent):
            assert await client.ended() == b""
        with pytest.raises(OSError):  # noqa: PT011  refused, whatever the loop calls it
            await door.connect()
        slow.release.set()
        (answer,) = await at_work.rest()
        assert (answer.status, answer.body, answer.headers["connection"]) == (200, b"done", "close")
        with anyio.fail_after(PATIENCE):
            await door.stopped.wait()


@pytest.mark.parametrize("over_tls", [False, True])
async def test_a_client_that_has_just_connected_is_answered(tmp_path: Path, *, over_tls: bool) -> None:
    """It could not know of the stop: its first request has a second to come, and the answer is the last."""
    made = Certificates(tmp_path)
    tls = ServerTls(made.server, made.server) if over_tls else None
    context = ssl.create_default_context(cafile=made.ca) if over_tls else None
    async with open_door(tls=tls, grace=60) as door, await door.connect(context) as new:
        door.stopping.set()
        with pytest.raises(OSError):  # noqa: PT011  refused, whatever the loop calls it
            await door.connect()
        await new.send(GET)
        assert [(answer.status, answer.headers["connection"]) for answer in await new.rest()] == [(200, "close")]
        with anyio.fail_after(PATIENCE):
            await door.stopped.wait()


async def test_work_that_outlives_the_grace_is_cancelled() -> None:
    """And its connection ends."""
    slow = _Slow()
    async with open_door(slow, grace=0.05) as door, await door.connect() as client:
        await client.send(SLOW)
        await slow.began.wait()
        door.stopping.set()
        with anyio.fail_after(PATIENCE):
            await door.stopped.wait()
        assert slow.cancelled.is_set()
        assert await client.ended() == b""


async def test_a_request_on_its_way_in_has_the_grace_to_come() -> None:
    """What has begun is answered."""
    async with open_door(grace=60) as door, await door.connect() as client:
        await client.send(GET[:10])
        (other,) = await door.ask(GET[:-2] + b"Connection: close\r\n\r\n")  # by then the beginning is there
        assert other.status == 200
        door.stopping.set()
        await client.send(GET[10:])
        assert [answer.headers["connection"] for answer in await client.rest()] == ["close"]
        with anyio.fail_after(PATIENCE):
            await door.stopped.wait()


async def test_cancelling_ends_everything_at_once() -> None:
    """As when the program fails: the handler too, and no connection stays."""
    slow = _Slow()
    with anyio.CancelScope() as scope:
        async with open_door(slow, grace=60) as door, await door.connect() as idle, await door.connect() as client:
            await idle.send(GET)
            await idle.answer()
            await client.send(SLOW)
            await slow.began.wait()
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert slow.cancelled.is_set()
    with pytest.raises(OSError):  # noqa: PT011  refused, whatever the loop calls it
        await door.connect()
