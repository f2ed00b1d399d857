"""Plain HTTP on loopback behind a proxy that ends TLS: clients see what they would see without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.acme.acme_site import AcmeSite, Way, acme_site
from tests.harness.acme_client import AcmeClient
from tests.harness.acme_moves import Answer, csr_for
from tests.harness.fetching import service_port
from tests.harness.proxy import proxy
from tests.harness.tls import Certificates
from tests.harness.web import Web

pytestmark = pytest.mark.anyio

OWN = {"replay-nonce", "content-length", "date", "connection", "etag", "cache-control", "retry-after"}
"""Fields whose values differ from answer to answer, or that are the connection's own."""


async def whole_story(client: AcmeClient, site: AcmeSite) -> list[Answer]:
    """Every kind of answer, errors too, in an order that does not change."""
    name = site.known("same.example")
    answers = [await client.get(client.urls.directory), await client.get(client.urls.new_nonce)]
    answers.append(await client.register(contact=["mailto:a@example.org"]))
    answers.append(await client.register())
    order = await client.order(name)
    answers += [order, await client.finalize(order, csr_for([name]))]
    challenge = await client.offered(order)
    client.show(challenge)
    proven = await client.settled(challenge["url"], await client.post(challenge["url"], {}))
    answers += [proven, await client.authorization(order), await client.finalize(order, b"\x30")]
    done = await client.settled(order.header("Location") or "", await client.finalize(order, csr_for([name])))
    answers += [done, await client.certificate(done)]
    leaf = await client.leaf(done)
    answers += [await client.revoke(leaf), await client.revoke(leaf)]
    for url in (client.kid, f"{client.kid}/orders", f"{client.kid}x", client.urls.new_order):
        answers.append(await client.post(url))
    answers += [await client.get(client.urls.new_order), await client.post(client.kid, nonce="AAAA")]
    answers.append(await client.post(client.kid, alg="HS256"))
    return answers


def shape(value: Any, base: str) -> Any:
    """What an answer says, without what is new each time."""
    if isinstance(value, dict):
        return {
            name: shape(each, base) for name, each in value.items() if name not in {"token", "expires", "validated"}
        }
    if isinstance(value, list):
        return [shape(each, base) for each in value]
    if isinstance(value, str) and base in value:
        return "/".join(part if len(part) < 20 else "..." for part in value.replace(base, "<base>").split("/"))
    return "key" if isinstance(value, str) and len(value) == 43 else value


def shapes(answers: list[Answer], base: str) -> list[Any]:
    """Status, fields and body of each."""
    made: list[Any] = []
    for answer in answers:
        fields = {(name.lower(), shape(value, base)) for name, value in answer.response.headers}
        body = answer.response.body
        is_json = answer.status >= 400 or (answer.header("Content-Type") or "").endswith("json")
        shown = shape(answer.json, base) if is_json else body.count(b"BEGIN CERTIFICATE")
        made.append((answer.status, {field for field in fields if field[0] not in OWN}, shown))
    return made


async def story_at(site: AcmeSite) -> list[Any]:
    return shapes(await whole_story(site.client(), site), site.urls.base)


async def assert_believes_no_host(site: AcmeSite) -> None:
    """Whatever the Host and forwarding fields say, URLs begin with the one in the settings."""
    plain = Web(site.listen, None, "evil.example")
    fields = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "ftp", "forwarded": "host=evil.example"}
    answer = Answer(await plain.ask("GET", "/acme/directory", fields=fields))
    assert answer.status == 200
    urls = [url for url in answer.json.values() if isinstance(url, str)]
    assert len(urls) == 6
    assert all(url.startswith(f"{site.urls.base}/acme/") for url in urls)
    await plain.aclose()


async def test_same_answers_behind_a_proxy(tmp_path: Path) -> None:
    """The whole story of an order is told in the same way with TLS of its own and behind a proxy."""
    async with acme_site(tmp_path / "own") as site:
        with await site.start() as program:
            own = await story_at(site)
            await site.stop(program)
    certificates = Certificates(tmp_path / "front")
    listen = service_port()
    with proxy(listen, certificates) as front:
        way = Way(listen, front.server_port, "https://ca.example", certificates.ca)
        async with acme_site(tmp_path / "behind", 'tls = "off"\n', way=way) as site:
            with await site.start() as program:
                behind = await story_at(site)
                await assert_believes_no_host(site)
                await site.web.aclose()
                await site.stop(program)
    assert behind == own
