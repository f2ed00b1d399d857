"""One door for all tests of real clients, a client by its name, and what happens when a client is not installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import door
from tests.harness.clients.base import Client
from tests.harness.clients.here import CLIENTS, lacking

_HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def the_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[door.Door]:
    """The program with its ACME door open, for all tests of the session."""
    with door.opened(tmp_path_factory.mktemp("door")) as opened:
        yield opened


@pytest.fixture
def client(request: pytest.FixtureRequest, the_door: door.Door, tmp_path: Path) -> Client:
    """The client that the test's parameter names, in a home of its own, without an account."""
    return CLIENTS[request.param](the_door.server, tmp_path)


@pytest.fixture
def bound_client(request: pytest.FixtureRequest, the_door: door.Door, tmp_path: Path) -> Client:
    """As `client`, with a credential for External Account Binding."""
    return CLIENTS[request.param](the_door.server, tmp_path, the_door.credential())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the tests whose client is missing (tests/conftest.py tells of them); where CI is set, they fail."""
    without = {} if os.environ.get("CI") else lacking()
    taken = [item for item in items if _HERE in item.path.parents and _client_of(item) in without]
    if taken:
        config.hook.pytest_deselected(items=taken)
        items[:] = [item for item in items if item not in taken]


def _client_of(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    params = callspec.params if callspec else {}
    return str(params.get("client", params.get("bound_client", "")))
