"""What a person is told to publish is what the validators look for (RFC 8555 8.3, 8.4; RFC 8737 3)."""

from __future__ import annotations

import base64
import hashlib

import pytest
from msgspec.structs import replace

from stages.session import Challenge, ChallengeData, ChallengeType, Session, State, ValidationRecord
from supervisor.cli.publishing import in_words, publications

THUMB = "thumb"
DIGEST = hashlib.sha256(b"tok.thumb").digest()


def challenge(kind: ChallengeType, name: str = "a.example", n: int = 1, token: str = "tok") -> Challenge:  # noqa: S107  a test's token
    return Challenge(n=n, challtime=1, type=kind, name=name, satisfied=False, failed=False, data=ChallengeData(token))


def session(name: str, kind: ChallengeType, **changes: object) -> Session:
    made = Session(
        id="a" * 64,
        created=1,
        live=True,
        state=State.TESTCHALLENGE,
        names=(name,),
        challenges=(challenge(kind, name),),
        thumbprint=THUMB,
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("name", "port", "url"),
    [
        ("a.example", 80, "http://a.example/.well-known/acme-challenge/tok"),
        ("a.example", 8080, "http://a.example:8080/.well-known/acme-challenge/tok"),
        ("10.0.0.1", 80, "http://10.0.0.1/.well-known/acme-challenge/tok"),
        ("fd00::1", 80, "http://[fd00::1]/.well-known/acme-challenge/tok"),
    ],
)
def test_http01_url_and_body(name: str, port: int, url: str) -> None:
    """The URL has the port that is asked, the body is the key authorization."""
    [found] = publications(session(name, ChallengeType.HTTP_01), port)
    assert (url, "tok.thumb") == (found.where, found.content)


@pytest.mark.parametrize("name", ["a.example", "*.a.example"])
def test_dns01_record_and_value(name: str) -> None:
    """A wildcard is proven at the name below which it stands; the value is the unpadded base64url digest."""
    [found] = publications(session(name, ChallengeType.DNS_01))
    assert found.where == "_acme-challenge.a.example"
    assert base64.urlsafe_b64decode(found.content + "=") == DIGEST


@pytest.mark.parametrize(
    ("name", "where", "server_name"),
    [
        ("a.example", "a.example:443", "a.example"),
        ("10.0.0.1", "10.0.0.1:443", "1.0.0.10.in-addr.arpa"),
        ("::1", "[::1]:443", "1." + "0." * 31 + "ip6.arpa"),
    ],
)
def test_tlsalpn01_digest_and_server_name(name: str, where: str, server_name: str) -> None:
    """An address is asked for by its reverse name (RFC 8738 6)."""
    [found] = publications(session(name, ChallengeType.TLS_ALPN_01))
    assert (where, server_name, "acme-tls/1", DIGEST.hex()) == (
        found.where,
        found.server_name,
        found.alpn,
        found.content,
    )


PROVEN = replace(
    challenge(ChallengeType.HTTP_01),
    satisfied=True,
    data=ChallengeData("tok", attempts=(ValidationRecord(1, 1, ok=True),)),
)


@pytest.mark.parametrize(
    "changes",
    [
        {"live": False},
        {"state": State.ISSUE},
        {"state": State.DONE},
        {"challenges": (PROVEN,)},
        {"challenges": (replace(PROVEN, satisfied=False, failed=True),)},
        {"challenges": ()},
    ],
)
def test_nothing_to_publish(changes: dict[str, object]) -> None:
    """A dead, proven or later session, and a failed challenge, ask for nothing."""
    assert publications(session("a.example", ChallengeType.HTTP_01, **changes)) == []


def test_words_name_each_way_once() -> None:
    """Each name is introduced once, each way has its place and its content."""
    both = (challenge(ChallengeType.HTTP_01), challenge(ChallengeType.DNS_01, n=2))
    lines = in_words(publications(session("a.example", ChallengeType.HTTP_01, challenges=both)))
    assert [line.split(":")[0] for line in lines[:2]] == ["To prove a.example, publish one of", "  http-01"]
    assert lines[3] == "  dns-01: a TXT record _acme-challenge.a.example"
    assert len(lines) == 5


def test_dns_account_01_is_not_for_people() -> None:
    """It is left to the ACME client, and is not told as if it were http-01."""
    assert publications(session("a.example", ChallengeType.DNS_ACCOUNT_01)) == []
