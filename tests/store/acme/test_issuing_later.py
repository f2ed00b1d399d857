"""What becomes of an order between finalize and its certificate: the intent is on record, and something changes."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint
from cryptography import x509
from msgspec.structs import replace

from stages.ca import hierarchy, keys
from stages.ca.intent import Intent
from stages.ca.issuer import Issuer, make_issuer
from stages.session import Session, State
from stages.store.batch import Reader
from supervisor.fsck import check
from tests.harness.acme_moves import Answer, csr_for, session_of
from tests.store.acme.front import YEAR, Client, Front, chain, opened
from tests.store.world import NOW, World

pytestmark = pytest.mark.anyio

DAY = 86_400


@cache
def next_issuer(*, same_key: bool) -> Issuer:
    """What `rotate` makes an hour and a day later: another certificate of the same name."""
    root_key = keys.generate("p256")
    root = hierarchy.create_root("Root", root_key, 10 * YEAR, NOW, os.urandom)
    key = chain()[0].key if same_key else keys.generate("p256")
    later = NOW + DAY
    own = hierarchy.create_intermediate("Intermediate", key, root, root_key, 5 * YEAR, later, os.urandom)
    return make_issuer(key, [own, root], later, issuer_id="main")


@cache
def narrow_issuer() -> Issuer:
    """One that may not certify a.example."""
    root_key, key = keys.generate("p256"), keys.generate("p256")
    root = hierarchy.create_root("Root", root_key, 10 * YEAR, NOW, os.urandom)
    own = hierarchy.create_intermediate(
        "Narrow", key, root, root_key, 5 * YEAR, NOW, os.urandom, excluded=["a.example"]
    )
    return make_issuer(key, [own, root], NOW, issuer_id="main")


async def finalized(world: World) -> tuple[Client, Answer]:
    """An order that was finalized just before its supervisor died."""
    async with opened(world, pipeline=False) as front:
        client = await front.client()
        async with anyio.create_task_group() as group:
            for runner in front.runners()[:2]:
                group.start_soon(runner.run)
            order = await client.proven("a.example")
            front.configure({"wait": "0s"})
            answer = await client.finalize(order, csr_for(["a.example"]))
            group.cancel_scope.cancel()
    assert answer.json["status"] == "processing"
    await world.dies("A")
    await world.supervisor("B")
    return client, order


async def session(world: World, order: Answer) -> Session:
    """As it is on record."""
    _, found = await Reader(world.store).look("", session_of(order))
    assert found is not None
    return found


async def ended(world: World, front: Front, order: Answer) -> Session:
    """What becomes of it; whenever it is to be tried again later, it is later."""
    with anyio.fail_after(20):
        while True:
            found = await session(world, order)
            if not found.live or found.cert:
                return found
            if await world.redis.zcard("delayed-issue"):
                world.clock.now += 31
                front.committer.wake()
            await checkpoint()


async def is_sound(world: World, folder: Path) -> bool:
    """Whether fsck finds nothing that contradicts itself."""
    report = await check(world.store, folder / "crl.pem", YEAR, checkpoint)
    return not report.breaches


@pytest.mark.parametrize("same_key", [False, True])
async def test_order_of_the_issuer_before_is_rejected_and_ordered_again(
    world: World,
    tmp_path: Path,
    same_key: bool,  # noqa: FBT001  a table
) -> None:
    """The intermediate was rotated: what was decided on with the old one is not signed, and has no second serial."""
    client, order = await finalized(world)
    before = await session(world, order)
    issuer = next_issuer(same_key=same_key)
    world.clock.now = NOW + DAY
    async with opened(world, by="B", issuer=issuer) as front:
        after = await ended(world, front, order)
        again = Client(front, client.private, client.kid)
        issued = await again.issued("a.example")
        shown = await again.post(order.header("Location") or "")
        pem = await again.post(issued.json["certificate"])
    assert (before.serial, before.intent) == (after.serial, after.intent)
    assert after.error is not None
    reason = "certificate, valid at other times" if same_key else "key"
    assert after.error.detail == (
        f"gave up after 5 attempts: issuer: the intent was made for issuer main with another {reason}"
    )
    assert (shown.json["status"], issued.json["status"]) == ("invalid", "valid")
    leaf = x509.load_pem_x509_certificate(pem.response.body)
    leaf.verify_directly_issued_by(issuer.certificate)
    assert await is_sound(world, tmp_path)


async def test_order_of_a_dead_supervisor_gets_the_certificate_that_was_decided_on(
    world: World, tmp_path: Path
) -> None:
    """With the same issuer, much later and with other values in its profile: nothing of it is decided anew."""
    _, order = await finalized(world)
    before = await session(world, order)
    world.clock.now = NOW + 2 * DAY
    async with opened(world, by="B") as front:
        profile = front.domain.profiles["default"]
        front.domain.profiles["default"] = replace(profile, validity_seconds=DAY)
        after = await ended(world, front, order)
    intent = Intent.from_json(before.intent)
    leaf = x509.load_pem_x509_certificates(after.cert.encode())[0]
    assert (after.serial, f"{leaf.serial_number:x}") == (before.serial, intent.serial)
    assert int(leaf.not_valid_after_utc.timestamp()) == intent.not_after
    assert await is_sound(world, tmp_path)


async def test_order_whose_certificate_would_be_over_is_rejected(world: World, tmp_path: Path) -> None:
    """The store was away for longer than the certificate is valid."""
    _, order = await finalized(world)
    intent = Intent.from_json((await session(world, order)).intent)
    world.clock.now = intent.not_after + 1
    async with opened(world, by="B") as front:
        front.configure(challenges={"proof_max_age": "1000d"})
        after = await ended(world, front, order)
    assert after.error is not None
    assert (after.state, after.error.kind) == (State.ISSUE, "unauthorized")
    assert after.error.detail == "intent: the time for which the certificate was to be valid is over"
    assert await is_sound(world, tmp_path)


async def test_first_intent_is_signed_however_often_it_is_finalized(world: World, tmp_path: Path) -> None:
    """Replies are lost and the same CSR comes from many connections, each with an intent of its own: one serial."""
    async with opened(world) as front:
        front.twice = {"finalize"}
        client = await front.client()
        order = await client.proven("a.example")
        csr, answers = csr_for(["a.example"]), []

        async def ask() -> None:
            answers.append(await Client(front, client.private, client.kid).finalize(order, csr))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(ask)
        serials = [move[4] for move in front.moved if move[0] == "finalize"]
        found = await session(world, order)
        listed = await world.redis.zrange("certificates", 0, -1)
    assert len(set(serials)) > 1
    assert {(answer.status, answer.json["status"]) for answer in answers} == {(200, "valid")}
    assert (found.serial, Intent.from_json(found.intent).serial) == (serials[0], serials[0])
    assert listed in ([serials[0]], [serials[0].encode()])
    assert found.story.count("reserved") == 1
    assert await is_sound(world, tmp_path)


async def test_order_finalized_while_the_issuer_cannot_sign_waits_for_it(world: World, tmp_path: Path) -> None:
    """Its CSR is taken without an intent, and the stage makes one when the issuer is valid."""
    issuer = next_issuer(same_key=False)
    async with opened(world, issuer=issuer) as front:
        client = await front.client()
        order = await client.proven("a.example")
        front.configure({"wait": "0s"})
        answer = await client.finalize(order, csr_for(["a.example"]))
        before = await session(world, order)
        world.clock.now = NOW + DAY
        after = await ended(world, front, order)
    assert (answer.status, answer.json["status"]) == (200, "processing")
    assert (bool(before.csr), before.serial, before.intent) == (True, "", "")
    leaf = x509.load_pem_x509_certificates(after.cert.encode())[0]
    leaf.verify_directly_issued_by(issuer.certificate)
    assert (after.serial, Intent.from_json(after.intent).serial) == (f"{leaf.serial_number:x}",) * 2
    assert await is_sound(world, tmp_path)


async def test_order_that_the_issuer_of_now_may_not_certify_is_refused_at_finalize(world: World) -> None:
    """The intermediate has other name constraints since the order was made: its client is told so, and of what."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.proven("a.example")
    await world.dies("A")
    await world.supervisor("B")
    async with opened(world, by="B", issuer=narrow_issuer()) as front:
        answer = await Client(front, client.private, client.kid).finalize(order, csr_for(["a.example"]))
    assert answer.problem == (400, "rejectedIdentifier")
    found = await session(world, order)
    assert (found.live, found.csr, found.intent) == (True, "", "")
