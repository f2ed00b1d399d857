"""Legal and illegal moves of several ACME accounts, for `test_random_moves` alone: what may be done, what must hold.

A model of each order keeps the statuses that were seen last. After each move the order that was touched is looked at,
its authorizations first: nothing goes back (RFC 8555 7.1.6), and what is shown fits together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from anyio.from_thread import BlockingPortal
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule

from stages.session import State
from stages.store.certificates import each_certificate
from stages.store.reading import read_whole
from tests.e2e.acme.acme_site import AcmeSite
from tests.harness.acme_client import AcmeClient, renewal_id
from tests.harness.acme_moves import ES256, Answer, csr_for, session_of
from tests.store.acme.test_random_moves import AHEAD
from tests.unit.acme import signing

T = TypeVar("T")

PART_AHEAD = {
    "pending": {"pending", "valid", "invalid", "deactivated"},
    "valid": {"valid", "deactivated"},
    "invalid": {"invalid"},
    "deactivated": {"deactivated"},
}
"""RFC 8555 7.1.6: where an authorization's status may lead; AHEAD says it of orders."""
ODD_PAYLOADS: tuple[object, ...] = (
    b"",
    {},
    [],
    b"null",
    b"{",
    {"status": "valid"},
    {"status": "revoked"},
    {"csr": 1},
    {"contact": 7},
    b"\xff",
)
MISSING = "0" * 64
_FOREIGN: tuple[object, ...] = (b"", {}, {"status": "deactivated"}, {"csr": "AAAA"}, {"contact": []})


class Player:
    """A client with an account; `gone` once it is deactivated."""

    def __init__(self, client: AcmeClient) -> None:
        self.client = client
        self.gone = False


class Order:
    """An order as it was last seen."""

    def __init__(self, owner: Player, made: Answer, names: list[str]) -> None:
        self.owner = owner
        self.made = made
        self.url = made.header("Location") or ""
        self.names = names
        self.key = ec.generate_private_key(ES256)
        self.status = "pending"
        self.parts = ["pending"] * len(names)
        self.certificate = ""
        self.is_revoked = False
        self.successors: list[Order] = []

    @property
    def is_replaced(self) -> bool:
        """Whether an order that replaces its certificate came to something, or may do so."""
        return any(order.status != "invalid" for order in self.successors)


class Machine(RuleBasedStateMachine):
    """The moves; each example has accounts and names of its own."""

    players: Bundle[Player] = Bundle("players")
    orders: Bundle[Order] = Bundle("orders")

    def __init__(self, site: AcmeSite, portal: BlockingPortal) -> None:
        super().__init__()
        self.site = site
        self.portal = portal
        self.all_players: list[Player] = []
        self.all_orders: list[Order] = []
        self.touched: Order | None = None

    def call(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Run something in the loop of the clients."""
        return self.portal.call(function, *arguments)

    def post(self, player: Player, url: str, payload: object = b"") -> Answer:
        """What any answer must be: no fault of the server, and 401 for all that a deactivated account asks."""
        return self.checked(player, self.call(player.client.post, url, payload))

    @staticmethod
    def checked(player: Player, answer: Answer) -> Answer:
        """The answer, looked at."""
        assert answer.status < 500, answer.response.body
        if player.gone:
            assert answer.problem == (401, "unauthorized")
        return answer

    @initialize(target=players)
    def begin(self) -> Any:
        """Make two accounts."""
        return multiple(self.register(), self.register())

    @rule(target=players)
    @precondition(lambda self: len(self.all_players) < 4)
    def register(self) -> Player:
        """Make an account."""
        player = Player(self.call(self.site.account))
        self.all_players.append(player)
        return player

    @rule(target=orders, player=players, count=st.integers(1, 3))
    @precondition(lambda self: len(self.all_orders) < 8)
    def order(self, player: Player, count: int) -> Any:
        """Ask for an order."""
        return self._ordered(player, [self.site.name() for _ in range(count)])

    def _ordered(self, player: Player, names: list[str], **members: Any) -> Any:
        async def ask() -> Answer:
            return await player.client.order(*names, **members)

        made = self.checked(player, self.call(ask))
        if made.status != 201:
            return multiple()
        order = Order(player, made, names)
        self.all_orders.append(order)
        self.touched = order
        return order

    @rule(order=orders, index=st.integers(0, 2), right=st.sampled_from([True, True, True, False]))
    def answer(self, order: Order, index: int, right: bool) -> None:  # noqa: FBT001  drawn by its name
        """Say that a challenge is ready, with the right proof or a wrong one."""
        index %= len(order.names)
        authorization = self.post(order.owner, order.made.json["authorizations"][index])
        if order.owner.gone:
            return
        (challenge,) = authorization.json["challenges"]
        if right:
            order.owner.client.show(challenge)
        else:
            self.site.tokens[challenge["token"]] = "wrong"
        before = order.parts[index] if order.status == "pending" else "decided"
        said = self.post(order.owner, challenge["url"], {})
        ended = self.call(order.owner.client.settled, challenge["url"], said).json["status"]
        if before == "pending":
            assert ended == ("valid" if right else "invalid")
        self.touched = order

    @rule(order=orders)
    def finish(self, order: Order) -> None:
        """Go on with the order as a client does, to its end."""
        if order.owner.gone:
            return
        for index, part in enumerate(order.parts):
            if order.status == part == "pending":
                self.answer(order, index, right=True)
                self.look()
        if order.status == "ready":
            self.finalize(order, "good")

    @rule(order=orders, csr=st.sampled_from(["good", "good", "good", "other names", "account's key", "no csr"]))
    def finalize(self, order: Order, csr: str) -> None:
        """Send a CSR, a good one or not."""
        names = order.names if csr != "other names" else [*order.names, "other.example"]
        key = order.owner.client.private if csr == "account's key" else order.key
        der = csr_for(names, key) if csr != "no csr" else b"\x30\x00"
        said = self.checked(order.owner, self.call(order.owner.client.finalize, order.made, der))
        self.touched = order
        if order.owner.gone:
            return
        if order.status in {"pending", "invalid"}:
            assert said.problem == (403, "orderNotReady")
        elif order.status == "ready" and csr != "good":
            assert said.problem == (400, "badCSR")
        else:
            assert said.status == 200
            ended = self.call(order.owner.client.settled, order.url, said)
            assert ended.json["status"] == "valid"
            order.certificate = ended.json["certificate"]

    @rule(order=orders, index=st.integers(0, 2))
    def give_up(self, order: Order, index: int) -> None:
        """Deactivate an authorization."""
        url = order.made.json["authorizations"][index % len(order.names)]
        said = self.post(order.owner, url, {"status": "deactivated"})
        if not order.owner.gone:
            assert said.status == (403 if order.status == "valid" else 200)
        self.touched = order

    @rule(player=players)
    @precondition(lambda self: len(self.all_orders) > 3)
    def deactivate(self, player: Player) -> None:
        """Give the account up; its orders that are not finished are dead with it."""
        said = self.post(player, player.client.kid, {"status": "deactivated"})
        assert player.gone or said.json["status"] == "deactivated"
        player.gone = True
        for order in self.all_orders:
            if order.owner is player:
                session = self.call(read_whole, self.site.store, session_of(order.made))
                assert session is not None
                assert session.state is State.DONE or not session.live

    @rule(player=players, to=st.sampled_from(["new", "own", "another's"]), other=players)
    def change_key(self, player: Player, to: str, other: Player) -> None:
        """Ask for another key: a new one, the present one, or one that another account has."""
        keys = {"own": player.client.private, "another's": other.client.private}
        key = keys.get(to) or ec.generate_private_key(ES256)
        said = self.checked(player, self.call(player.client.change_key, key))
        if player.gone:
            return
        assert said.status == (200 if to == "new" else 409)
        if to == "new":
            player.client.private = key
        else:
            assert said.header("Location") == (other if to == "another's" else player).client.kid

    @rule(
        order=orders,
        by=players,
        way=st.sampled_from(["owner", "another", "its key"]),
        reason=st.sampled_from([0, 0, 1, 4, 99]),
    )
    @precondition(lambda self: any(order.certificate for order in self.all_orders))
    def revoke(self, order: Order, by: Player, way: str, reason: int) -> None:
        """Revoke: by the owner, by another account, or by the certificate's own key."""
        if not order.certificate or order.owner.gone:
            return
        leaf = x509.load_pem_x509_certificate(self.post(order.owner, order.certificate).response.body)
        player = {"owner": order.owner, "another": by}.get(way, order.owner)
        if way == "its key":
            client = player.client.twin()
            client.private = order.key
            payload = {"certificate": signing.b64(leaf.public_bytes(Encoding.DER)), "reason": reason}
            said = self.call(partial(client.post, client.urls.revoke_cert, payload, jwk=True))
        else:
            said = self.checked(player, self.call(partial(player.client.revoke, leaf, reason=reason)))
        if player.gone:
            return
        if reason not in {0, 1, 4}:
            assert said.problem == (400, "badRevocationReason")
        elif way == "another" and player is not order.owner:
            assert said.problem == (403, "unauthorized")
        elif order.is_revoked:
            assert said.problem == (400, "alreadyRevoked")
        else:
            assert said.status == 200
            order.is_revoked = True

    @rule(target=orders, order=orders, by=players)
    def replace(self, order: Order, by: Player) -> Any:
        """Ask for an order that replaces a certificate (RFC 9773 5): one's own, once, or another's."""
        if not order.certificate or order.owner.gone:
            return multiple()
        leaf = x509.load_pem_x509_certificate(self.post(order.owner, order.certificate).response.body)
        made = self._ordered(by, order.names, replaces=renewal_id(leaf))
        assert isinstance(made, Order) == (by is order.owner and not order.is_replaced)
        if isinstance(made, Order):
            order.successors.append(made)
        return made

    @rule(order=orders, by=players)
    def intrude(self, order: Order, by: Player) -> None:
        """Ask for what another account has: the answer is as for what is not there."""
        if by is order.owner or by.gone:
            return
        session = session_of(order.made)
        urls = [order.url, order.made.json["finalize"], *order.made.json["authorizations"]]
        for url in [*urls, self.site.urls.challenge(session, 1)]:
            for payload in _FOREIGN:
                answer, missing = (self.post(by, each, payload) for each in (url, url.replace(session, MISSING)))
                assert (answer.status, answer.json) == (missing.status, missing.json)
                assert answer.status == 404
        if order.certificate:
            assert self.post(by, order.certificate).json == self.post(by, self.site.urls.certificate("1")).json
        account = order.owner.client
        for payload in _FOREIGN:
            foreign = self.post(by, account.kid, payload)
            assert foreign.status == 403
            assert foreign.json == self.post(by, account.kid.replace(account.id, "A" * 22), payload).json

    @rule(
        order=orders, payload=st.sampled_from(ODD_PAYLOADS), kind=st.sampled_from(["url", "finalize", "authorization"])
    )
    def misuse(self, order: Order, payload: object, kind: str) -> None:
        """Send something that has no meaning there."""
        urls = {"url": order.url, "finalize": order.made.json["finalize"]}
        said = self.post(order.owner, urls.get(kind, order.made.json["authorizations"][0]), payload)
        self.touched = order
        reads = payload == b"" and kind != "finalize"
        again = kind == "finalize" and isinstance(payload, dict) and order.status == "valid"
        if not order.owner.gone:
            assert said.status == 200 if reads or again else said.problem[0] in {400, 403}

    @rule(player=players)
    def list_orders(self, player: Player) -> None:
        """The account's list has its orders that are not invalid."""
        said = self.post(player, f"{player.client.kid}/orders")
        if not player.gone:
            own = {order.url for order in self.all_orders if order.owner is player and order.status != "invalid"}
            assert set(said.json["orders"]) == own

    @invariant()
    def look(self) -> None:
        """The order that was touched last goes ahead, and its parts fit together."""
        order, self.touched = self.touched, None
        if order is None or order.owner.gone:
            return
        parts = [self.post(order.owner, url).json["status"] for url in order.made.json["authorizations"]]
        shown = self.post(order.owner, order.url).json
        now = shown["status"]
        assert now in AHEAD[order.status]
        for before, after in zip(order.parts, parts, strict=True):
            assert after in PART_AHEAD[before], (before, after)
        if set(parts) == {"valid"}:
            assert now in {"ready", "processing", "valid"}
        if now in {"ready", "processing", "valid"}:
            assert set(parts) == {"valid"}
        assert ("certificate" in shown, "error" in shown) == (now == "valid", now == "invalid")
        order.status, order.parts = now, parts

    def teardown(self) -> None:
        """Each order has the one certificate that it shows, and no other one is on record."""
        shown = set()
        for order in self.all_orders:
            self.touched = order
            self.look()
            if order.certificate:
                shown.add((session_of(order.made), order.certificate))
        accounts = {player.client.id for player in self.all_players}
        assert shown == set(self.call(self._on_record, accounts))

    async def _on_record(self, accounts: set[str]) -> list[tuple[str, str]]:
        url = self.site.urls.certificate
        every = each_certificate(self.site.store)
        return [(found.session, url(found.serial)) async for found in every if found.account in accounts]
