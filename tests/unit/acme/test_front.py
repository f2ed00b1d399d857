"""What the listeners answer while there is no door: before the first term, and between two."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

import pytest

from stages.store.connection import StoreSettings
from stages.store.store import Store
from supervisor.acme.front import Front
from supervisor.build import Domain
from supervisor.config.settings import Settings
from supervisor.http.message import Request
from supervisor.logs.setup import Logs
from supervisor.reload import Reloader
from tests.harness.acme_moves import Answer
from tests.unit.ca.making import issuer

NO_LOGS = cast("Logs", None)
"""Nothing is reloaded here."""


@pytest.mark.anyio
async def test_clients_without_a_door_are_told_to_come_back() -> None:
    """503 with Retry-After, and with a nonce that the next door takes (RFC 8555 6.5)."""
    acme = {"listen": "127.0.0.1:1", "url": "https://ca.example", "retry_after": "7s"}
    domain = Domain(Settings.model_validate({"acme": acme}))
    store = Store(StoreSettings(url="unix:///nowhere"), time.time)
    front = Front(store, issuer(), Reloader(Path("config.toml"), {}, domain, NO_LOGS))
    request = Request("POST", "/acme/new-order", "", {}, b"{}", "192.0.2.1", secure=True)
    answer = Answer(await front._handle(request))
    assert answer.problem == (503, "serverInternal")
    assert answer.header("Retry-After") == "7"
    nonce = answer.header("Replay-Nonce")
    assert nonce
    front._nonces.redeem(nonce)
    await store.aclose()
