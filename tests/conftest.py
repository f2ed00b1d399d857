import pytest


@pytest.fixture
def anyio_backend() -> str:
    """The program runs on asyncio; so do the tests."""
    return "asyncio"
