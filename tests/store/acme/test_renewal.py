"""Renewal information (RFC 9773)."""

from __future__ import annotations

from typing import Any

import pytest

from stages.store import account_moves, moves
from supervisor.acme.certificate_id import certificate_id
from supervisor.acme.views import rfc3339
from tests.harness.acme_moves import Answer
from tests.store.acme.front import URLS, Front, opened
from tests.store.world import NOW, World


def url_of(front: Front, serial: str, authority: bytes | None = None) -> str:
    own = front.issuer.authority_key_identifier.key_identifier or b""
    return f"{URLS.renewal_info}/{certificate_id(authority or own, int(serial, 16))}"


def window(answer: Answer) -> tuple[Any, Any]:
    found = answer.json["suggestedWindow"]
    return found["start"], found["end"]


@pytest.mark.anyio
async def test_window_is_the_middle_third_the_operators_or_past(world: World) -> None:
    """Anyone may ask; Retry-After is there; a revoked certificate's window is over."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.issued("a.example")
        serial = order.json["certificate"].rsplit("/", 1)[1]
        url = url_of(front, serial)
        record = await front.desk.reader.certificate(serial)
        assert record is not None
        usual = await front.ask("GET", url)
        await front.desk.move(account_moves.renew_by(serial, NOW + 60, NOW + 120))
        set_ = await front.ask("GET", url)
        await front.desk.move(moves.revoke(serial, 0, NOW))
        revoked = await front.ask("GET", url)
    third = (record.not_after - record.not_before) // 3
    assert usual.status == 200
    assert usual.header("Content-Type") == "application/json"
    assert usual.header("Retry-After") == "21600"
    assert usual.json.keys() == {"suggestedWindow"}
    assert window(usual) == (rfc3339(record.not_before + third), rfc3339(record.not_after - third))
    assert window(set_) == (rfc3339(NOW + 60), rfc3339(NOW + 120))
    assert window(revoked)[0] < window(revoked)[1] < rfc3339(NOW)


@pytest.mark.anyio
async def test_unknown_certificate_is_404(world: World) -> None:
    """It is so for another serial number, and for ours under another issuer's key identifier."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.issued("a.example")
        serial = order.json["certificate"].rsplit("/", 1)[1]
        answers = [await front.ask("GET", url) for url in (url_of(front, "ab"), url_of(front, serial, b"other"))]
    assert [answer.problem for answer in answers] == [(404, "malformed")] * 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    "text", ["x", "AAAA", "AAAA.AA", "AAAA.gA", "AAAA.AAE", "AAAA.AQ==", "A.AQ", ".AQ", "AAAA.", "a.b.c"]
)
async def test_id_that_is_none(world: World, text: str) -> None:
    """An id has one spelling: what has another is malformed."""
    async with opened(world, pipeline=False) as front:
        answer = await front.ask("GET", f"{URLS.renewal_info}/{text}")
    assert answer.problem == (400, "malformed")
