from collections.abc import Callable

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from stages.challenges.evidence import Fault
from stages.challenges.resolving import DnsResolver
from tests.e2e.challenges.peers import Zone, nameserver

pytestmark = pytest.mark.anyio

A = ("a.example.", "A")
AAAA = ("a.example.", "AAAA")


@pytest.mark.parametrize("other", ["SERVFAIL", "silence", []])
async def test_addresses_one_family_is_enough(other: list[str] | str) -> None:
    """A server that cannot answer for AAAA does not hide the A record."""
    async with nameserver({("a.example.", "A"): ["127.0.0.1"], ("a.example.", "AAAA"): other}) as peer:
        assert await DnsResolver(f"127.0.0.1:{peer.port}", 0.3).addresses("a.example") == ("127.0.0.1",)


async def test_addresses_forged_answer_is_passed_over() -> None:
    """An answer with another id does not count."""
    async with nameserver({("a.example.", "A"): "forged", ("a.example.", "AAAA"): []}) as peer:
        assert await DnsResolver(f"127.0.0.1:{peer.port}", 1).addresses("a.example") == ("127.0.0.1",)


async def test_addresses_next_server() -> None:
    """When a server fails, the next one is asked."""
    zone: Zone = {("a.example.", "A"): "REFUSED", ("a.example.", "AAAA"): "REFUSED"}
    async with nameserver(zone) as bad, nameserver({("a.example.", "A"): ["127.0.0.1"]}) as good:
        resolver = DnsResolver(f"127.0.0.1:{bad.port}, 127.0.0.1:{good.port}", 1)
        assert await resolver.addresses("a.example") == ("127.0.0.1",)


async def test_addresses_capped() -> None:
    """Sixteen addresses are looked at, however many there are."""
    zone: Zone = {("a.example.", "A"): [f"10.0.0.{n}" for n in range(1, 100)]}
    async with nameserver(zone) as peer:
        assert len(await DnsResolver(f"127.0.0.1:{peer.port}", 1).addresses("a.example")) == 16


async def test_addresses_cname_circle() -> None:
    """CNAMEs in a circle are a lasting fault."""
    chain = {
        "a.example.": "far.a.example.",
        "far.a.example.": "far.b.example.",
        "far.b.example.": "far.a.example.",
    }
    async with nameserver({}, chain) as peer:
        with pytest.raises(Fault) as caught:
            await DnsResolver(f"127.0.0.1:{peer.port}", 1).addresses("a.example")
    assert (caught.value.kind, caught.value.lasting) == ("dns", True)


def with_records(
    *records: tuple[str, str, str], change: Callable[[dns.message.Message], None] | None = None
) -> Callable[[dns.message.Message], bytes]:
    """Add records to a reply, and then change it."""

    def forge(reply: dns.message.Message) -> bytes:
        for owner, kind, data in records:
            reply.answer.append(dns.rrset.from_text(owner, 1, "IN", kind, data))
        if change:
            change(reply)
        return reply.to_wire(max_size=65535)

    return forge


GOOD = ("a.example.", "A", "127.0.0.1")


async def test_addresses_along_cnames_in_any_case() -> None:
    """The CNAMEs of an answer are followed, whatever the case of their names and who else is in it."""
    forge = with_records(
        ("B.example.", "CNAME", "C.example."),
        ("A.EXAMPLE.", "CNAME", "b.example."),
        ("other.example.", "A", "8.8.8.8"),
        ("c.EXAMPLE.", "A", "127.0.0.1"),
    )
    async with nameserver({A: forge, AAAA: []}) as peer:
        assert await DnsResolver(f"127.0.0.1:{peer.port}", 1).addresses("a.example") == ("127.0.0.1",)


NOT_DNS = "sent what is no DNS answer"
ANOTHER = "sent an answer to another question"


def ask_about_others(reply: dns.message.Message) -> None:
    reply.question = [dns.rrset.from_text("b.example.", 0, "IN", "A")]


def ask_twice(reply: dns.message.Message) -> None:
    reply.question = [*reply.question, dns.rrset.from_text("b.example.", 0, "IN", "A")]


def be_a_query(reply: dns.message.Message) -> None:
    reply.flags &= ~dns.flags.QR


def be_an_update(reply: dns.message.Message) -> None:
    reply.flags |= 5 << 11


def deny(reply: dns.message.Message) -> None:
    reply.set_rcode(dns.rcode.NXDOMAIN)


def refuse_without_question(reply: dns.message.Message) -> None:
    reply.question = []
    reply.set_rcode(dns.rcode.REFUSED)


@pytest.mark.parametrize(
    ("forge", "trouble"),
    [
        (lambda _reply: b"\0", NOT_DNS),
        (lambda reply: reply.to_wire()[:11], NOT_DNS),
        (lambda reply: with_records(GOOD)(reply)[:-1], NOT_DNS),
        (lambda reply: with_records(GOOD)(reply).replace(b"\0\4\x7f", b"\0\5\x7f"), NOT_DNS),
        (lambda reply: reply.to_wire()[:12] + b"\xc0\x0c" + b"\0\1\0\1", NOT_DNS),  # a name that points to itself
        (with_records(GOOD, change=be_an_update), NOT_DNS),
        (with_records(GOOD, change=ask_about_others), ANOTHER),
        (with_records(GOOD, change=ask_twice), ANOTHER),
        (with_records(GOOD, change=be_a_query), ANOTHER),
        (with_records(GOOD, change=deny), "sent an answer that contradicts itself"),
        (with_records(change=refuse_without_question), "answered REFUSED"),
    ],
)
async def test_addresses_hostile_answer(forge: Callable[[dns.message.Message], bytes], trouble: str) -> None:
    """What is malformed, contradicts itself or answers nothing that was asked is a passing fault, and said."""
    async with nameserver({A: forge, AAAA: forge}) as peer:
        with pytest.raises(Fault) as caught:
            await DnsResolver(f"127.0.0.1:{peer.port}", 0.3).addresses("a.example")
    assert (
        caught.value.detail
        == f"DNS lookup of a.example at 127.0.0.1:{peer.port} failed: 127.0.0.1:{peer.port} {trouble}"
    )
    assert (caught.value.kind, caught.value.lasting) == ("dns", False)


async def test_addresses_other_family_survives_a_hostile_answer() -> None:
    """A malformed answer about one family does not hide the other."""
    async with nameserver({A: ["127.0.0.1"], AAAA: lambda reply: reply.to_wire()[:2] + b"\xff" * 20}) as peer:
        assert await DnsResolver(f"127.0.0.1:{peer.port}", 0.3).addresses("a.example") == ("127.0.0.1",)


async def test_addresses_cname_circle_in_one_answer() -> None:
    """CNAMEs in a circle inside one answer are a lasting fault."""
    forge = with_records(("a.example.", "CNAME", "b.example."), ("b.example.", "CNAME", "a.example."))
    async with nameserver({A: forge, AAAA: forge}) as peer:
        with pytest.raises(Fault) as caught:
            await DnsResolver(f"127.0.0.1:{peer.port}", 1).addresses("a.example")
    assert caught.value.detail == "DNS lookup of a.example failed: its chain of CNAMEs does not end"
    assert caught.value.lasting


async def test_texts_too_long_over_tcp() -> None:
    """A message that would keep the program busy is not read."""
    records = ["cut", *(f'"{n} {"x" * 200}"' for n in range(30))]
    async with nameserver({("a.example.", "TXT"): records}) as peer:
        server = f"127.0.0.1:{peer.port}"
        with pytest.raises(Fault) as caught:
            await DnsResolver(server, 1).texts("a.example")
    expected = f"DNS lookup of a.example at {server} failed: {server} sent an answer longer than 4096 bytes"
    assert caught.value.detail == expected


async def test_addresses_without_edns() -> None:
    """A server that does not know OPT is asked again without it (RFC 6891 7)."""

    def old(reply: dns.message.Message) -> bytes:
        if reply.edns >= 0:
            reply.use_edns(edns=False)
            reply.set_rcode(dns.rcode.FORMERR)
            return reply.to_wire()
        return with_records(GOOD)(reply)

    async with nameserver({A: old, AAAA: old}) as peer:
        assert await DnsResolver(f"127.0.0.1:{peer.port}", 1).addresses("a.example") == ("127.0.0.1",)


async def test_addresses_nobody_listens() -> None:
    """A server that is down is known at once, without waiting."""
    async with nameserver({}) as peer:
        pass
    server = f"127.0.0.1:{peer.port}"
    with pytest.raises(Fault) as caught:
        await DnsResolver(server, 60).addresses("a.example")
    assert caught.value.detail == f"DNS lookup of a.example at {server} failed: {server}: connection refused"
