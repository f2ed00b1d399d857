"""The CAA check against a real DNS server: climbing, CNAMEs, faults, and what is asked."""

from __future__ import annotations

import dns.message
import dns.rdata
import dns.rrset
import pytest
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from msgspec.structs import replace

from stages.challenges import CaaCheck, CaaSettings
from stages.challenges.resolving import DnsResolver
from stages.outcome import Reject, Retry
from stages.session import Problem, Session, State
from tests.e2e.challenges.peers import Peer, Zone, nameserver

pytestmark = pytest.mark.anyio

ON = CaaSettings(check=True, identities=("CA.example",))
OURS = ['0 issue "ca.example"']
OTHERS = ['0 issue "other.test"']
FORBIDS = "none of the 1 issue records names this CA (ca.example)"
HTTP = {"x.a.example": ("http-01",), "*.a.example": ("dns-01",)}


def check(peer: Peer, settings: CaaSettings = ON) -> CaaCheck:
    resolver = DnsResolver(f"127.0.0.1:{peer.port}", 0.3)
    return CaaCheck(lambda: resolver, lambda: settings, lambda account: f"https://acme.example/{account}")


def session(*names: str, **changes: object) -> Session:
    made = Session(id="id", created=1, live=True, state=State.ISSUE, names=names or ("x.a.example",))
    return replace(made, **changes)


def forbidden(name: str, owner: str, why: str = FORBIDS) -> Reject:
    return Reject(Problem("caa", f"{name}: the CAA records of {owner} forbid the certificate: {why}"))


async def test_nothing_is_asked_when_the_check_is_off() -> None:
    """A private CA has no use for it unless its operator says so."""
    async with nameserver({("x.a.example.", "CAA"): OTHERS}) as server:
        assert await check(server, CaaSettings())(session(), HTTP) is None
    assert server.asked == []


async def test_addresses_have_no_caa() -> None:
    """RFC 8659 is about domain names."""
    async with nameserver({}) as server:
        assert await check(server)(session("192.0.2.1", "2001:db8::1"), {}) is None
    assert server.asked == []


async def test_names_without_records_are_permitted() -> None:
    """Each name up to the top level is asked; no such name and no such record are the same."""
    async with nameserver({("x.a.example.", "A"): ["127.0.0.1"]}) as server:
        assert await check(server)(session(), HTTP) is None
    assert server.asked == ["x.a.example. CAA", "a.example. CAA", "example. CAA"]


@pytest.mark.parametrize(
    ("zone", "outcome", "asked"),
    [
        ({("x.a.example.", "CAA"): OURS, ("a.example.", "CAA"): OTHERS}, None, 1),
        ({("x.a.example.", "CAA"): OTHERS, ("a.example.", "CAA"): OURS}, forbidden("x.a.example", "x.a.example"), 1),
        ({("a.example.", "CAA"): OURS, ("example.", "CAA"): OTHERS}, None, 2),
        ({("a.example.", "CAA"): OTHERS}, forbidden("x.a.example", "a.example"), 2),
        ({("example.", "CAA"): OTHERS}, forbidden("x.a.example", "example"), 3),
        ({("x.a.example.", "CAA"): ['0 iodef "mailto:a@b"'], ("example.", "CAA"): OTHERS}, None, 1),
        ({("x.a.example.", "CAA"): ["cut", *OURS]}, None, 2),
    ],
)
async def test_the_nearest_records_decide(zone: Zone, outcome: Reject | None, asked: int) -> None:
    """The climb ends at the first name that has CAA records of any kind (RFC 8659 3)."""
    async with nameserver(zone) as server:
        assert outcome == await check(server)(session(), HTTP)
    assert len(server.asked) == asked


@pytest.mark.parametrize("target", ["t.b.example.", "far.b.example."])
async def test_a_cname_leads_to_the_records_but_not_to_what_is_above_them(target: str) -> None:
    """The records of the target count; without any the climb goes on above the name that was asked."""
    chain = {"x.a.example.": target}
    async with nameserver({(target, "CAA"): OTHERS, ("a.example.", "CAA"): OURS}, chain) as server:
        assert forbidden("x.a.example", "x.a.example") == await check(server)(session(), HTTP)
    async with nameserver(
        {(target, "A"): [], ("b.example.", "CAA"): OTHERS, ("a.example.", "CAA"): OURS}, chain
    ) as server:
        assert await check(server)(session(), HTTP) is None


async def test_names_are_judged_each_and_looked_up_once() -> None:
    """A wildcard is looked up without its label, and the names above are shared."""
    zone: Zone = {("a.example.", "CAA"): [*OURS, '0 issuewild "other.test"']}
    names = ("x.a.example", "*.a.example", "192.0.2.1")
    async with nameserver(zone) as server:
        outcome = await check(server)(session(*names), HTTP)
    why = "none of the 1 issuewild records names this CA (ca.example)"
    assert forbidden("*.a.example", "a.example", why) == outcome
    assert sorted(server.asked) == ["a.example. CAA", "x.a.example. CAA"]


@pytest.mark.parametrize(
    ("parameter", "account", "permitted"),
    [
        ("accounturi=https://acme.example/me", "me", True),
        ("accounturi=https://acme.example/me", "you", False),
        ("accounturi=https://acme.example/", "", False),
        ("validationmethods=http-01", "", True),
        ("validationmethods=dns-01", "", False),
    ],
)
async def test_account_and_method_bind(parameter: str, account: str, *, permitted: bool) -> None:
    """RFC 8657: the URL of the session's account, and what proved the name."""
    async with nameserver({("a.example.", "CAA"): [f'0 issue "ca.example; {parameter}"']}) as server:
        outcome = await check(server)(session(account=account), HTTP)
    assert (outcome is None) == permitted


async def test_all_records_count() -> None:
    """However many there are: the one that forbids may be the last."""
    records = [*(f'0 issue "ca.example; n={n}"' for n in range(40)), '128 future "x"']
    async with nameserver({("a.example.", "CAA"): ["cut", *records]}) as server:
        outcome = await check(server)(session(), HTTP)
    why = "one of them is critical and of a kind that this CA does not know"
    assert forbidden("x.a.example", "a.example", why) == outcome


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        ("SERVFAIL", "{0} answered SERVFAIL"),
        ("REFUSED", "{0} answered REFUSED"),
        ("silence", "no answer from {0}"),
        (lambda _reply: b"\xff" * 40, "{0} sent what is no DNS answer"),
    ],
)
@pytest.mark.parametrize(("attempts", "after"), [(0, 10.0), (2, 40.0), (900, 300.0)])
async def test_what_cannot_be_known_is_asked_again(answer: object, trouble: str, attempts: int, after: float) -> None:
    """A fault of DNS permits nothing and forbids nothing for good; one name that fails is enough."""
    zone: Zone = {("b.example.", "CAA"): OURS, ("a.example.", "CAA"): answer}  # type: ignore[dict-item]
    async with nameserver(zone) as server:
        outcome = await check(server)(session("b.example", "x.a.example", attempts=attempts), HTTP)
    where = f"127.0.0.1:{server.port}"
    failed = f"DNS lookup of a.example at {where} failed: {trouble.format(where)}"
    assert Retry(after, f"the CAA records could not be looked up: {failed}", kind="dns") == outcome


@pytest.mark.parametrize("tag", [b"", b"is-sue", b"issue\0", b"\xff"])
async def test_a_tag_that_breaks_the_format_permits_nothing(tag: bytes) -> None:
    """A record that cannot be read may be the one that forbids (RFC 8659 4.1.1)."""

    def forge(reply: dns.message.Message) -> bytes:
        broken = dns.rdata.GenericRdata(RdataClass.IN, RdataType.CAA, bytes([0, len(tag)]) + tag + b"ca.example")
        reply.answer.append(dns.rrset.from_rdata(reply.question[0].name, 1, broken))
        return reply.to_wire()

    async with nameserver({("x.a.example.", "CAA"): forge}) as server:
        outcome = await check(server)(session(), HTTP)
    assert isinstance(outcome, Retry)
    assert outcome.why.endswith("sent what is no DNS answer")


async def test_cnames_in_a_circle_reject() -> None:
    """Nobody but the owner can mend it."""
    chain = {"x.a.example.": "far.a.example.", "far.a.example.": "far.b.example.", "far.b.example.": "far.a.example."}
    async with nameserver({}, chain) as server:
        outcome = await check(server)(session(), HTTP)
    detail = "DNS lookup of x.a.example failed: its chain of CNAMEs does not end"
    assert Reject(Problem("dns", f"the CAA records could not be looked up: {detail}")) == outcome


async def test_many_names_are_looked_up_side_by_side() -> None:
    """A hundred names cost a hundred lookups and those above them one each."""
    names = tuple(f"h{n}.a.example" for n in range(100))
    async with nameserver({("example.", "CAA"): OURS}) as server:
        assert await check(server)(session(*names), {}) is None
    assert len(server.asked) == 102
