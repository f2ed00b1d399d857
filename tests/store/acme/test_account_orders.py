from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from stages.session import Problem
from stages.store import account_moves, moves
from supervisor.acme.account_orders import list_orders
from tests.store.acme.client import URLS, Client, Office, decoded, headers, opened, refused
from tests.store.world import NOW, World, sid

pytestmark = pytest.mark.anyio


@pytest.fixture
async def office(world: World) -> AsyncIterator[Office]:
    async with opened(world) as made:
        made.configure({"orders_page": 3})
        yield made


async def order(office: Office, client: Client, number: int, at: int = NOW) -> str:
    """An order of a client, by the store's move."""
    office.world.clock.now = at
    answer = await office.desk.move(account_moves.order(sid(number), ["a.example"], {}, at, client.id))
    assert answer == ["ok"]
    return URLS.order(sid(number))


async def pages(client: Client) -> list[list[str]]:
    """Every page of the client's orders, as the rel="next" links lead."""
    url, found = f"{client.kid}/orders", []
    while url:
        response = await client.post(list_orders, url, b"")
        found.append(decoded(response)["orders"])
        links = headers(response, "Link")
        assert (response.status, len(links) < 2, len(found) < 10) == (200, True, True)
        url = links[0].removeprefix("<").removesuffix('>;rel="next"') if links else ""
    return found


async def test_orders_of_a_new_account(office: Office) -> None:
    """An account with no orders has an empty list, and no next page (RFC 8555 7.1.2.1)."""
    client = office.client()
    url = decoded(await client.register())["orders"]
    response = await client.post(list_orders, url, b"")
    assert (response.status, response.body) == (200, b'{"orders":[]}')
    assert response.headers == [("Content-Type", "application/json")]


@pytest.mark.parametrize("count", [1, 3, 4, 7])
async def test_orders_page_by_page(office: Office, count: int) -> None:
    """The rel="next" links lead through all orders, each once, the newest first (RFC 8555 7.1.2.1)."""
    client = office.client()
    await client.register()
    made = [await order(office, client, number, NOW + number) for number in range(count)]
    expected = made[::-1]
    assert await pages(client) == [expected[at : at + 3] for at in range(0, count, 3)]


async def test_orders_of_one_second(office: Office) -> None:
    """Orders of the same second are each in one page, once."""
    client = office.client()
    await client.register()
    made = {await order(office, client, number) for number in range(8)}
    found = await pages(client)
    assert [len(page) for page in found] == [3, 3, 2]
    assert {url for page in found for url in page} == made


async def test_orders_of_its_own_only(office: Office) -> None:
    """An account sees its own orders; another's list and one that nobody has are 403 unauthorized alike."""
    one, other = office.client(), office.client()
    await one.register()
    await other.register()
    mine = await order(office, one, 1)
    await order(office, other, 2)
    assert await pages(one) == [[mine]]
    answers = []
    for url in (f"{other.kid}/orders", URLS.orders("A" * 22)):
        problem = await refused(one.post(list_orders, url, b""))
        answers.append((problem.kind, problem.status, problem.detail))
    assert answers[0] == answers[1]
    assert answers[0][:2] == ("unauthorized", 403)


async def test_orders_without_the_invalid(office: Office) -> None:
    """Orders that are invalid are left out (RFC 8555 7.1.2.1)."""
    client = office.client()
    await client.register()
    kept, gone = await order(office, client, 1), await order(office, client, 2)
    await office.desk.move(moves.cancel(sid(2), Problem("malformed", "given up"), 60))
    assert gone not in (await pages(client))[0]
    assert await pages(client) == [[kept]]


@pytest.mark.parametrize(
    "query", ["cursor=", "cursor=1", "cursor=x-" + "a" * 64, "page=2", "cursor", "cursor=1&cursor=1"]
)
async def test_orders_query_refused(office: Office, query: str) -> None:
    """A query that no rel="next" link has is malformed."""
    client = office.client()
    await client.register()
    problem = await refused(client.post(list_orders, f"{client.kid}/orders?{query}", b""))
    assert problem.kind == "malformed"


async def test_orders_payload_refused(office: Office) -> None:
    """The list is for POST-as-GET (RFC 8555 6.3)."""
    client = office.client()
    await client.register()
    problem = await refused(client.post(list_orders, f"{client.kid}/orders", {}))
    assert problem.kind == "malformed"
