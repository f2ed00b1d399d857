"""The certificate resource (RFC 8555 7.4.2), and how delivery becomes known."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store

from tests.harness.acme_moves import ES256, Answer, session_of
from tests.store.acme.front import URLS, Front, opened
from tests.store.world import World

NAMES = ("a.example", "*.b.example", "192.0.2.1")


def serial_of(order: Answer) -> str:
    return str(order.json["certificate"].rsplit("/", 1)[1])


async def delivery(front: Front, order: Answer) -> str:
    await front.settled()
    record = await front.desk.reader.certificate(serial_of(order))
    assert record is not None
    return record.delivery


@pytest.mark.anyio
async def test_chain_is_whole_and_verifies(world: World) -> None:
    """Leaf first, no root, LF, the SAN of the order exactly, the key of the CSR; it verifies to the root."""
    async with opened(world) as front:
        client = await front.client()
        key = ec.generate_private_key(ES256)
        order = await client.issued(*NAMES, key=key)
        answer = await client.post(order.json["certificate"])
        root = front.issuer.above[-1]
    assert answer.status == 200
    assert answer.header("Content-Type") == "application/pem-certificate-chain"
    assert b"\r" not in answer.response.body
    leaf, *above = x509.load_pem_x509_certificates(answer.response.body)
    assert above == [front.issuer.certificate]
    assert leaf.public_key() == key.public_key()
    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(entry.value) for entry in san] == list(NAMES)
    assert f"{leaf.serial_number:x}" == serial_of(order)
    policy = PolicyBuilder().store(Store([root])).time(leaf.not_valid_before_utc.replace(tzinfo=None))
    assert policy.build_server_verifier(x509.DNSName("a.example")).verify(leaf, above)


@pytest.mark.anyio
async def test_other_chains_are_linked(world: World) -> None:
    """Every chain links to the other ones, and each is whole."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.issued("a.example")
        url = order.json["certificate"]
        first, other = await client.post(url), await client.post(f"{url}/1")
        beyond = await client.post(f"{url}/2")
    assert f'<{url}/1>;rel="alternate"' in first.headers("Link")
    assert f'<{url}>;rel="alternate"' in other.headers("Link")
    chains = [x509.load_pem_x509_certificates(each.response.body) for each in (first, other)]
    assert chains[0][0] == chains[1][0]
    assert chains[0][1] != chains[1][1]
    assert beyond.problem == (404, "malformed")


@pytest.mark.anyio
async def test_certificate_outlives_its_session(world: World) -> None:
    """It can be had when the session is long gone, as long as it is on record."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.issued("a.example")
        first = await client.post(order.json["certificate"])
        await front.settled()
        await world.redis.delete(world.keys.session(session_of(order)))
        later = await client.post(order.json["certificate"])
    assert later.status == 200
    assert later.response.body == first.response.body


@pytest.mark.anyio
@pytest.mark.parametrize("payload", [{}, {"x": 1}])
async def test_certificate_is_only_read(world: World, payload: object) -> None:
    """A payload on a certificate is malformed."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.issued("a.example")
        assert (await client.post(order.json["certificate"], payload)).problem == (400, "malformed")


@pytest.mark.anyio
async def test_delivery_is_known_by_writing_and_by_the_nonce(world: World) -> None:
    """Issue item 7: issued; sent when the reply is written; confirmed when its nonce comes back."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.issued("a.example")
        assert await delivery(front, order) == "issued"
        answer = await client.post(order.json["certificate"])
        assert await delivery(front, order) == "issued", "the reply was made and not written yet"
        assert answer.response.written is not None
        answer.response.written()
        assert await delivery(front, order) == "sent"
        assert (await client.post(client.kid)).status == 200
        assert await delivery(front, order) == "confirmed"


@pytest.mark.anyio
async def test_refused_download_delivers_nothing(world: World) -> None:
    """Somebody else's request for the certificate says nothing of its delivery."""
    async with opened(world) as front:
        client, other = await front.client(), await front.client()
        order = await client.issued("a.example")
        refused = await other.post(order.json["certificate"])
        await other.post(other.kid)
        assert refused.response.written is None
        assert await delivery(front, order) == "issued"


@pytest.mark.anyio
@pytest.mark.parametrize("serial", ["0", "ab", "77" * 16, "f" * 40])
async def test_certificate_that_is_not_there(world: World, serial: str) -> None:
    """404, as for another account's."""
    async with opened(world) as front:
        client = await front.client()
        assert (await client.post(URLS.certificate(serial))).problem == (404, "malformed")
