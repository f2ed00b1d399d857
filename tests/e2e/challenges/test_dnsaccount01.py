from __future__ import annotations

import pytest
from msgspec.structs import replace

from stages.challenges import ValidationSettings
from stages.challenges.dnsaccount01 import account_label
from stages.session import ChallengeType
from tests.e2e.challenges.peers import Zone, nameserver, seen, validate
from tests.e2e.challenges.test_dns01 import DIGEST

pytestmark = pytest.mark.anyio

URL = "https://example.com/acme/acct/ExampleAccount"
NAME = "_ujmmovf2vn55tgye._acme-challenge.a.example"
LOCAL = ValidationSettings(resolver_timeout=0.3, timeout=5)
KIND = ChallengeType.DNS_ACCOUNT_01


def test_account_label_of_the_draft() -> None:
    """The draft's own example."""
    assert account_label(URL) == "ujmmovf2vn55tgye"


@pytest.mark.parametrize("name", ["a.example", "*.a.example", "A.example"])
async def test_dnsaccount01_proof(name: str) -> None:
    """The digest is at the account's name, for the name and its wildcard, over CNAMEs too."""
    zone: Zone = {(f"{NAME}.", "TXT"): ['"other"', f'"{DIGEST[:9]}" "{DIGEST[9:]}"']}
    async with nameserver(zone) as dns:
        record = await validate(replace(LOCAL, resolver=f"127.0.0.1:{dns.port}"), name, KIND, URL)
    assert record.ok
    assert (record.hops[0].target, dns.asked) == (f"TXT {NAME}", [f"{NAME}. TXT"])
    async with nameserver({("far.example.", "TXT"): [f'"{DIGEST}"']}, {f"{NAME}.": "far.example."}) as dns:
        assert (await validate(replace(LOCAL, resolver=f"127.0.0.1:{dns.port}"), name, KIND, URL)).ok


async def test_dnsaccount01_of_another_account() -> None:
    """The record of another account, and that of dns-01, prove nothing."""
    zone: Zone = {(f"{NAME}.", "TXT"): [f'"{DIGEST}"'], ("_acme-challenge.a.example.", "TXT"): [f'"{DIGEST}"']}
    async with nameserver(zone) as dns:
        settings = replace(LOCAL, resolver=f"127.0.0.1:{dns.port}")
        record = await validate(settings, "a.example", KIND, f"{URL}2")
    name = f"_{account_label(f'{URL}2')}._acme-challenge.a.example"
    assert seen(record) == ("dns", f"DNS says that {name} does not exist (NXDOMAIN)", True)


@pytest.mark.parametrize(
    ("name", "url", "why"),
    [
        ("a.example", "", "dns-account-01 needs an account and its URL"),
        ("127.0.0.1", URL, "a DNS record proves DNS names only"),
    ],
)
async def test_dnsaccount01_cannot_prove(name: str, url: str, why: str) -> None:
    """Without an account, and for an address, nobody is asked."""
    assert seen(await validate(LOCAL, name, KIND, url)) == ("malformed", why, True)
