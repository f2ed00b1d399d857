import base64
import hashlib

import msgspec
import pytest

from stages.challenges import ValidationSettings
from stages.session import ChallengeType
from tests.e2e.challenges.peers import Zone, nameserver, seen, validate

pytestmark = pytest.mark.anyio

DIGEST = base64.urlsafe_b64encode(hashlib.sha256(b"tok.thumb").digest()).rstrip(b"=").decode()
NAME = "_acme-challenge.a.example"
SAW = f"expected the digest of the key authorization at {NAME}, saw"
APART = f"{SAW} 2 TXT records, of 20, 23 bytes"
PADDED = f"{SAW} 1 TXT records, of 44 bytes"
LOCAL = ValidationSettings(resolver_timeout=0.3, timeout=5)


@pytest.mark.parametrize("name", ["a.example", "*.a.example", "A.example"])
@pytest.mark.parametrize(
    "records",
    [
        [f'"{DIGEST}"'],
        ['"other"', f'"{DIGEST}"', '"\\255\\027[31m"'],
        [f'"{DIGEST[:10]}" "{DIGEST[10:]}"'],
        ["cut", f'"{DIGEST}"'],
        ["cut", *(f'"{n}"' for n in range(60)), f'"{DIGEST}"'],
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
        (
            {(f"{NAME}.", "TXT"): [f'"{n}"' for n in range(10, 30)]},
            "incorrectResponse",
            f"expected the digest of the key authorization at {NAME}, saw 20 TXT records, of {'2, ' * 16}... bytes",
            True,
        ),
        ({(f"{NAME}.", "TXT"): [f'"{DIGEST[:20]}"', f'"{DIGEST[20:]}"']}, "incorrectResponse", APART, True),
        ({(f"{NAME}.", "TXT"): [f'"{DIGEST}="']}, "incorrectResponse", PADDED, True),
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
            {(f"{NAME}.", "TXT"): lambda _reply: b"\xff" * 40},
            "dns",
            f"DNS lookup of {NAME} at {{server}} failed: {{server}} sent what is no DNS answer",
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
    expected = ("malformed", "a DNS record proves DNS names only", True)
    assert seen(await validate(LOCAL, "127.0.0.1", ChallengeType.DNS_01)) == expected


async def test_dns01_name_too_long() -> None:
    """A name that is too long with its prefix is a lasting fault, and nobody is asked."""
    name = ".".join(["a" * 62] * 4)
    record = await validate(LOCAL, name, ChallengeType.DNS_01)
    assert seen(record) == ("dns", f"DNS cannot hold the name _acme-challenge.{name}", True)
