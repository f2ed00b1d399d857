"""What comes after the certificate: its delivery on record, the CRL, renewal information, and replacing it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from anyio import to_thread
from cryptography import x509

from stages.session import Delivery
from stages.store.reading import read_whole
from tests.e2e.acme.acme_site import AcmeSite
from tests.e2e.command import Place
from tests.harness.acme_client import AcmeClient, renewal_id
from tests.harness.acme_moves import session_of
from tests.harness.web import Web

pytestmark = pytest.mark.anyio


async def command(site: AcmeSite, *arguments: str) -> Any:
    """The document of a command with --json."""
    return await to_thread.run_sync(Place(site.folder).json, *arguments)


async def undelivered(site: AcmeSite) -> set[str]:
    """The serial numbers of clients' certificates that `certificates --undelivered` lists."""
    listed = (await command(site, "certificates", "--undelivered"))["certificates"]
    return {each["serial"] for each in listed if each["account"]}


async def until_delivery(site: AcmeSite, session: str, delivery: Delivery, *, live: bool) -> None:
    """Wait until it is on record how far the certificate has come."""
    with anyio.fail_after(10):
        while True:
            found = await read_whole(site.store, session)
            assert found is not None
            if (found.delivery, found.live) == (delivery, live):
                return
            await anyio.sleep(0.01)


async def test_delivery_is_followed(site: AcmeSite) -> None:
    """Undelivered until it is fetched, then sent; confirmed, and its session retired, when the nonce comes back."""
    client = await site.account()
    order = await client.issued(site.name())
    serial = order.json["certificate"].rsplit("/", 1)[1]
    assert await undelivered(site) == {serial}
    await until_delivery(site, session_of(order), Delivery.ISSUED, live=True)
    chain = await client.certificate(order)
    await until_delivery(site, session_of(order), Delivery.SENT, live=True)
    assert await undelivered(site) == set()
    assert client.nonces == [chain.header("Replay-Nonce")]
    assert (await client.post(client.kid)).status == 200
    await until_delivery(site, session_of(order), Delivery.CONFIRMED, live=False)
    assert await undelivered(site) == set()
    assert (await client.certificate(order)).response.body == chain.response.body
    assert (await client.post(order.header("Location") or "")).json == order.json


async def test_certificate_that_is_replaced_was_delivered(site: AcmeSite) -> None:
    """An order that replaces a certificate (RFC 9773 5) says that its client has it, although nobody fetched it."""
    client, name = await site.account(), site.name()
    first = await client.issued(name)
    record = x509.load_pem_x509_certificate((await exported(site, first.json["certificate"])).encode())
    second = await client.order(name, replaces=renewal_id(record))
    assert (second.status, second.json["replaces"]) == (201, renewal_id(record))
    await until_delivery(site, session_of(first), Delivery.CONFIRMED, live=False)


async def exported(site: AcmeSite, url: str) -> str:
    """The chain as the operator gets it."""
    return str((await command(site, "certificates", "export", url.rsplit("/", 1)[1]))["certificate"])


async def test_revocation_is_in_the_crl_when_it_is_answered(site: AcmeSite) -> None:
    """Twenty revocations at once: when each is answered, the CRL at the URL in the certificate has it."""
    client = await site.account()
    plain = Web(site.plain, None)
    leaves = [await client.leaf(await client.issued(site.name())) for _ in range(20)]
    points = leaves[0].extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    (url,) = [name.value for name in points[0].full_name or ()]
    assert url == f"http://127.0.0.1:{site.plain}/crl/main.crl"

    async def revoke(leaf: x509.Certificate) -> None:
        assert (await client.twin().revoke(leaf, reason=4)).status == 200
        for web in (plain, site.web):
            crl = x509.load_der_x509_crl((await web.ask("GET", "/crl/main.crl")).body)
            assert crl.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None

    async with anyio.create_task_group() as group:
        for leaf in leaves:
            group.start_soon(revoke, leaf)
    await plain.aclose()


async def window(client: AcmeClient, leaf: x509.Certificate) -> tuple[datetime, datetime]:
    """The suggested window of renewal."""
    answer = await client.get(f"{client.urls.renewal_info}/{renewal_id(leaf)}")
    assert answer.status == 200
    assert int(answer.header("Retry-After") or "") > 0
    start, end = (datetime.fromisoformat(answer.json["suggestedWindow"][part]) for part in ("start", "end"))
    return start, end


async def test_renewal_window(site: AcmeSite) -> None:
    """Within the validity at first; where an operator puts it; in the past for a revoked certificate."""
    client = await site.account()
    leaf = await client.leaf(await client.issued(site.name()))
    now = datetime.now(UTC)
    start, end = await window(client, leaf)
    assert max(now, leaf.not_valid_before_utc) < start < end < leaf.not_valid_after_utc
    serial = f"{leaf.serial_number:x}"
    await command(
        site, "certificates", "renew-by", serial, "--from", "2031-01-01T00:00Z", "--until", "2031-01-02T00:00Z"
    )
    assert await window(client, leaf) == (datetime(2031, 1, 1, tzinfo=UTC), datetime(2031, 1, 2, tzinfo=UTC))
    await command(site, "certificates", "renew-by", serial, "--now")
    assert (await window(client, leaf))[0] <= datetime.now(UTC)
    await command(site, "certificates", "renew-by", serial, "--clear")
    assert await window(client, leaf) == (start, end)
    assert (await client.revoke(leaf)).status == 200
    assert max(await window(client, leaf)) < datetime.now(UTC)
