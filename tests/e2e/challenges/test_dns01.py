import base64
import hashlib

import msgspec
import pytest

from stages.challenges import ValidationSettings
from stages.challenges.evidence import Fault
from stages.challenges.resolving import DnsResolver, read_server
from stages.errors import Refused
from stages.session import ChallengeType
from tests.e2e.challenges.peers import Zone, nameserver, seen, validate

pytestmark = pytest.mark.anyio

DIGEST = base64.urlsafe_b64encode(hashlib.sha256(b"tok.thumb").digest()).rstrip(b"=").decode()
NAME = "_acme-challenge.a.example"
LOCAL = ValidationSettings(resolver_timeout=0.3, timeout=5)


@pytest.mark.parametrize("name", ["a.example", "*.a.example", "A.example"])
@pytest.mark.parametrize(
    "records",
    [
        [f'"{DIGEST}"'],
        ['"other"', f'"{DIGEST}"', '"\\255\\027[31m"'],
        [f'"{DIGEST[:10]}" "{DIGEST[10:]}"'],
        ["cut", f'"{DIGEST}"'],
    ],
)
async def test_dns01_proof(name: str, records: list[str]) -> None:
    """Any one TXT record will do, in one string or more, over UDP or TCP, for the name and its wildcard."""
    async with nameserver({(f"{NAME}.", "TXT"): records}) as dns:
        settings = msgspec.structs.replace(LOCAL, resolver=f"127.0.0.1:{dns.port}")
        record = await validate(settings, name, ChallengeType.DNS_01)
    assert record.ok
    assert record.hops[0].target == f"TXT {NAME}"
    assert len(dns.asked) == (2 if "cut" in records else 1)


@pytest.mark.parametrize("target", ["b.example.", "far.example."])
async def test_dns01_cname(target: str) -> None:
    """A CNAME is followed, by the server or, where it does not, by us."""
    async with nameserver({(target, "TXT"): [f'"{DIGEST}"']}, {f"{NAME}.": target}) as dns:
        settings = msgspec.structs.replace(LOCAL, resolver=f"127.0.0.1:{dns.port}")
        assert (await validate(settings, "a.example", ChallengeType.DNS_01)).ok


@pytest.mark.parametrize(
    ("zone", "kind", "detail", "lasting"),
    [
        (
            {(f"{NAME}.", "TXT"): ['"\\027[31m"', '"abcde"']},
            "incorrectResponse",
            f"expected the digest of the key authorization at {NAME}, saw 2 TXT records, of 5, 5 bytes",
            True,
        ),
        ({}, "dns", f"DNS says that {NAME} does not exist (NXDOMAIN)", True),
        ({(f"{NAME}.", "A"): []}, "dns", f"DNS has no TXT record for {NAME}", True),
        (
            {(f"{NAME}.", "TXT"): "SERVFAIL"},
            "dns",
            f"DNS lookup of {NAME} at {{server}} failed: {{server}} answered SERVFAIL",
            False,
        ),
        (
            {(f"{NAME}.", "TXT"): "silence"},
            "dns",
            f"DNS lookup of {NAME} at {{server}} failed: no answer from {{server}}",
            False,
        ),
        (
            {(f"{NAME}.", "TXT"): "noise"},
            "dns",
            f"DNS lookup of {NAME} at {{server}} failed: {{server}} sent what is no answer to one question",
            False,
        ),
    ],
)
async def test_dns01_no_proof(zone: Zone, kind: str, detail: str, *, lasting: bool) -> None:
    """No such name, no record, wrong records, a failing server and none at all are told apart."""
    async with nameserver(zone) as dns:
        server = f"127.0.0.1:{dns.port}"
        settings = msgspec.structs.replace(LOCAL, resolver=server)
        record = await validate(settings, "a.example", ChallengeType.DNS_01)
    assert seen(record) == (kind, detail.format(server=server), lasting)


async def test_dns01_needs_a_dns_name() -> None:
    """dns-01 cannot prove an address."""
    expected = ("malformed", "dns-01 proves DNS names only", True)
    assert seen(await validate(LOCAL, "127.0.0.1", ChallengeType.DNS_01)) == expected


@pytest.mark.parametrize("other", ["SERVFAIL", "silence", []])
async def test_addresses_one_family_is_enough(other: list[str] | str) -> None:
    """A server that cannot answer for AAAA does not hide the A record."""
    async with nameserver({("a.example.", "A"): ["127.0.0.1"], ("a.example.", "AAAA"): other}) as dns:
        assert await DnsResolver(f"127.0.0.1:{dns.port}", 0.3).addresses("a.example") == ("127.0.0.1",)


async def test_addresses_forged_answer_is_passed_over() -> None:
    """An answer with another id does not count."""
    async with nameserver({("a.example.", "A"): "forged", ("a.example.", "AAAA"): []}) as dns:
        assert await DnsResolver(f"127.0.0.1:{dns.port}", 1).addresses("a.example") == ("127.0.0.1",)


async def test_addresses_next_server() -> None:
    """When a server fails, the next one is asked."""
    zone: Zone = {("a.example.", "A"): "REFUSED", ("a.example.", "AAAA"): "REFUSED"}
    async with nameserver(zone) as bad, nameserver({("a.example.", "A"): ["127.0.0.1"]}) as good:
        resolver = DnsResolver(f"127.0.0.1:{bad.port}, 127.0.0.1:{good.port}", 1)
        assert await resolver.addresses("a.example") == ("127.0.0.1",)


async def test_addresses_capped() -> None:
    """Sixteen addresses are looked at, however many there are."""
    zone: Zone = {("a.example.", "A"): [f"10.0.0.{n}" for n in range(1, 100)]}
    async with nameserver(zone) as dns:
        assert len(await DnsResolver(f"127.0.0.1:{dns.port}", 1).addresses("a.example")) == 16


async def test_addresses_cname_circle() -> None:
    """CNAMEs in a circle are a lasting fault."""
    chain = {
        "a.example.": "far.a.example.",
        "far.a.example.": "far.b.example.",
        "far.b.example.": "far.a.example.",
    }
    async with nameserver({}, chain) as dns:
        with pytest.raises(Fault) as caught:
            await DnsResolver(f"127.0.0.1:{dns.port}", 1).addresses("a.example")
    assert (caught.value.kind, caught.value.lasting) == ("dns", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", ("10.0.0.1", 53)),
        ("10.0.0.1:5353", ("10.0.0.1", 5353)),
        ("::1", ("::1", 53)),
        ("[::1]:53", ("::1", 53)),
    ],
)
def test_read_server(text: str, expected: tuple[str, int]) -> None:
    """A server is an address, with or without a port."""
    assert read_server(text) == expected


@pytest.mark.parametrize(
    "text", ["", "dns.example:53", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:70000", "[10.0.0.1]:53"]
)
def test_read_server_refused(text: str) -> None:
    """A server that cannot be read is refused, and the setting is named."""
    with pytest.raises(Refused) as caught:
        read_server(text)
    assert caught.value.field == "validation.resolver"
