"""What the listeners answer while there is no door: before the first term, and between two."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

import pytest

from stages.session import Session, State
from stages.store.connection import StoreSettings
from stages.store.lease import Lease
from stages.store.store import Store
from supervisor.acme.front import Front
from supervisor.build import Domain
from supervisor.config.settings import Settings
from supervisor.http.message import Request
from supervisor.logs.setup import Logs
from supervisor.pipeline.committer import Committer
from supervisor.reload import Reloader
from tests.harness.acme_moves import Answer
from tests.unit.ca.making import issuer

NO_LOGS = cast("Logs", None)
"""Nothing is reloaded here."""
NO_LEASE = cast("Lease", None)
"""Nothing is sent here."""


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


@pytest.mark.anyio
@pytest.mark.parametrize("several", [False, True])
async def test_each_term_begins_with_an_empty_memory(several: bool) -> None:  # noqa: FBT001  a table
    """It hears what its own committer makes; beside other supervisors it keeps nothing."""
    acme = {"listen": "127.0.0.1:1", "url": "https://ca.example"}
    settings = {"acme": acme, "store": {"url": "redis://127.0.0.1:1", "one_of_several": several}}
    domain = Domain(Settings.model_validate(settings))
    store = Store(StoreSettings(url="unix:///nowhere"), time.time)
    front = Front(store, issuer(), Reloader(Path("config.toml"), {}, domain, NO_LOGS))
    memories = []
    for id_ in ("ab" * 32, "cd" * 32):
        committer = Committer(store, NO_LEASE, keep=lambda: 1)
        front.enter(committer)
        assert front._door is not None
        recent = front._door._desk.recent
        assert committer.answers.heard is not None
        assert recent.doubted == committer.answers.doubted
        recent.made(Session(id=id_, created=1, live=True, state=State.TESTCHALLENGE))
        memories.append(list(recent._sessions))
        committer.answers.heard(["resync", []])
        assert not recent._sessions
        front.leave()
    assert memories == ([[], []] if several else [["ab" * 32], ["cd" * 32]])
    await store.aclose()
