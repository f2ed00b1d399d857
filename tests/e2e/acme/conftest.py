"""One event loop and one running CA for all tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.e2e.acme.acme_site import AcmeSite, acme_site


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The loop of the module's tests and of what they share."""
    return "asyncio"


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AcmeSite]:
    """A CA whose program runs with the default settings."""
    async with acme_site(tmp_path_factory.mktemp("ca")) as made:
        with await made.start() as program:
            yield made
            await made.stop(program)
