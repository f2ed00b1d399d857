"""finalize (RFC 8555 7.4): what a CSR has to be, and what the reply is."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from stages.ca.spki import spki_sha256
from stages.store import moves
from tests.harness.acme_moves import ES256, Answer, csr_for
from tests.store.acme.front import URLS, Client, opened
from tests.store.world import NOW, World

NAMES = ("a.example", "b.example")


@pytest.mark.anyio
async def test_finalize_answers_the_finished_order(world: World) -> None:
    """It is 200 and `valid` at once, with Location and certificate."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.proven(*NAMES)
        answer = await client.finalize(order, csr_for(NAMES))
        polled = await client.post(order.header("Location") or "")
    assert (answer.status, answer.json["status"]) == (200, "valid")
    assert answer.header("Location") == order.header("Location")
    assert answer.header("Retry-After") is None
    assert answer.json["certificate"].startswith(f"{URLS.base}/acme/certificate/")
    assert (polled.json, polled.header("Location")) == (answer.json, order.header("Location"))


@pytest.mark.anyio
async def test_unfinished_order_is_processing(world: World) -> None:
    """What is not through in time is `processing` with Retry-After, never `ready`."""
    async with opened(world, pipeline=False) as front:
        client = await front.client()
        async with anyio.create_task_group() as group:
            for runner in front.runners()[:2]:
                group.start_soon(runner.run)
            order = await client.proven(*NAMES)
            front.configure({"wait": "0s"})
            answer = await client.finalize(order, csr_for(NAMES))
            polled = await client.post(order.header("Location") or "")
            group.cancel_scope.cancel()
    for each in (answer, polled):
        assert (each.status, each.json["status"], each.header("Retry-After")) == (200, "processing", "3")
        assert each.header("Location") == order.header("Location")
        assert "certificate" not in each.json


@pytest.mark.anyio
async def test_finalize_again_shows_the_order(world: World) -> None:
    """A finalize repeated, with the same CSR or another, is 200 with the same order and certificate."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.issued(*NAMES)
        again = await client.finalize(order, csr_for(NAMES))
    assert (again.status, again.json) == (200, order.json)


@pytest.mark.anyio
async def test_finalize_too_early_is_refused(world: World) -> None:
    """A pending order is 403 orderNotReady, whatever the CSR."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.order("a.example")
        answers = [await client.finalize(order, csr) for csr in (csr_for(["a.example"]), b"\x30")]
    assert [answer.problem for answer in answers] == [(403, "orderNotReady")] * 2


@pytest.mark.anyio
async def test_many_finalizes_at_once_make_one_certificate(world: World) -> None:
    """Fifty parallel finalizes of one order, each with a key of its own: one certificate, the same for all."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.proven("a.example")
        answers: list[Answer] = []

        async def ask(csr: bytes) -> None:
            answers.append(await Client(front, client.private, client.kid).finalize(order, csr))

        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(ask, csr_for(["a.example"]))
        count = await world.redis.zcard(world.keys.certificates)
    assert {(answer.status, answer.json["status"]) for answer in answers} == {(200, "valid")}
    assert len({answer.json["certificate"] for answer in answers}) == 1
    assert count == 1


def tampered() -> bytes:
    csr = bytearray(csr_for(NAMES))
    csr[-1] ^= 1
    return bytes(csr)


def as_ca() -> bytes:
    key = ec.generate_private_key(ES256)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES])
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def weak() -> bytes:
    key: Any = rsa.generate_private_key(65537, 1024)  # noqa: S505  weak on purpose
    return csr_for(NAMES, key)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("csr", "kind"),
    [
        (b"", "malformed"),
        (b"\x30", "badCSR"),
        (b"junk", "badCSR"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\n", "badCSR"),
        (csr_for(["a.example"]), "badCSR"),
        (csr_for([*NAMES, "c.example"]), "badCSR"),
        (csr_for(["A.example", "x.example"]), "badCSR"),
        (csr_for(NAMES, common_name="c.example"), "badCSR"),
        (tampered(), "badCSR"),
        (as_ca(), "badCSR"),
        (weak(), "badCSR"),
    ],
)
async def test_bad_csr_leaves_the_order_ready(world: World, csr: bytes, kind: str) -> None:
    """It is 400 with its kind, and a good CSR is taken afterwards."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.proven(*NAMES)
        bad = await client.finalize(order, csr)
        status = (await client.post(order.header("Location") or "")).json["status"]
        good = await client.finalize(order, csr_for(NAMES))
    assert bad.problem == (400, kind)
    assert status == "ready"
    assert good.json["status"] == "valid"


@pytest.mark.anyio
@pytest.mark.parametrize("payload", [b"", {}, {"csr": 7}, {"csr": None}, {"csr": "A"}, {"csr": "AAA="}, {"csr": "+A"}])
async def test_csr_must_be_base64url(world: World, payload: Any) -> None:
    """It is unpadded base64url of DER (RFC 8555 7.4), or malformed."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.proven("a.example")
        assert (await client.post(order.json["finalize"], payload)).problem == (400, "malformed")
        assert (await client.post(order.header("Location") or "")).json["status"] == "ready"


@pytest.mark.anyio
@pytest.mark.parametrize(("names", "common_name"), [(("B.example", "A.EXAMPLE"), ""), (NAMES, "A.example")])
async def test_names_compare_without_case_and_order(world: World, names: tuple[str, ...], common_name: str) -> None:
    """A common name is taken when it is one of the names; the certificate has none."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.proven(*NAMES)
        answer = await client.finalize(order, csr_for(names, common_name=common_name))
        chain = await client.post(answer.json["certificate"])
    leaf = x509.load_pem_x509_certificate(chain.response.body)
    assert list(leaf.subject) == []


@pytest.mark.anyio
async def test_account_key_is_no_certificate_key(world: World) -> None:
    """A CSR with the account's own key is refused (RFC 8555 11.1)."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.proven("a.example")
        answer = await client.finalize(order, csr_for(["a.example"], client.private))
    assert answer.problem == (400, "badCSR")


@pytest.mark.anyio
async def test_blocked_keys_are_not_certified(world: World) -> None:
    """Keys of the operator's list and keys that were revoked as compromised are badCSR; the order stays ready."""
    async with opened(world) as front:
        client = await front.client()
        key = ec.generate_private_key(ES256)
        first = await client.issued("a.example", key=key)
        serial = first.json["certificate"].rsplit("/", 1)[1]
        chain = await client.post(first.json["certificate"])
        digest = spki_sha256(x509.load_pem_x509_certificate(chain.response.body))
        assert (await front.desk.move(moves.revoke(serial, 1, NOW, digest)))[0] == "ok"
        order = await client.proven("b.example")
        answer = await client.finalize(order, csr_for(["b.example"], key))
        status = (await client.post(order.header("Location") or "")).json["status"]
    assert answer.problem == (400, "badCSR")
    assert status == "ready"


@pytest.mark.anyio
async def test_failed_issuance_is_invalid_with_its_error(world: World) -> None:
    """What only the issue stage finds makes the order invalid, in the very reply; it never comes back."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.proven("a.example")
        front.configure(names={"deny_domains": ["a.example"]})
        answer = await client.finalize(order, csr_for(["a.example"]))
        again = await client.finalize(order, csr_for(["a.example"]))
    assert (answer.status, answer.json["status"]) == (200, "invalid")
    assert answer.json["error"]["type"] == "urn:ietf:params:acme:error:rejectedIdentifier"
    assert answer.json["error"]["instance"] == order.header("Location")
    assert again.problem == (403, "orderNotReady")
