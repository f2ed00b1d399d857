"""A real server for the tests of the store: the embedded one, in a directory of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio.from_thread
import pytest

from supervisor.embedded import embedded_store
from tests.harness.valkey import Valkey
from tests.store.world import World, new_world


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server with `appendfsync always`, for all tests of the run.

    STORE_UNDER_TEST names another program than our Valkey: any Redis from 7.0 on has to pass.
    """
    data_dir = tmp_path_factory.mktemp("store")
    if program := os.environ.get("STORE_UNDER_TEST"):
        with Valkey(data_dir, program) as server:
            yield server.url
        return
    with (
        anyio.from_thread.start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(embedded_store(data_dir)) as store,
    ):
        yield store.url


@pytest.fixture
def clean_store(valkey_url: str) -> Iterator[str]:
    """The URL of the server with nothing in it; it is emptied, scripts too, before and after the test."""
    _flush(valkey_url)
    yield valkey_url
    _flush(valkey_url)


def _flush(url: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(Path(url.removeprefix("unix://"))))
        client.sendall(b"FLUSHALL SYNC\r\nSCRIPT FLUSH SYNC\r\n")
        answer = b""
        while answer.count(b"\r\n") < 2:
            answer += client.recv(64)
    assert answer == b"+OK\r\n+OK\r\n"


@pytest.fixture
async def world(anyio_backend: str, clean_store: str) -> AsyncIterator[World]:
    """An empty store with one supervisor, "A", and a clock that stands still."""
    assert anyio_backend == "asyncio"
    async with new_world(clean_store) as made:
        yield made


@pytest.fixture
async def tagged(anyio_backend: str, clean_store: str) -> AsyncIterator[World]:
    """The same behind the prefix "{ca}:"."""
    assert anyio_backend == "asyncio"
    async with new_world(clean_store, prefix="{ca}:") as made:
        yield made
