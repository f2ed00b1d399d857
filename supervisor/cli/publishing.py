"""What has to be published to prove a name, in words and as JSON. Pure; for `supervisor.cli`."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from typing import Final

import msgspec

from stages.names import parse_name
from stages.proofs import unproven
from stages.session import Challenge, ChallengeType, Session, State

HTTP_PORT: Final = 80
TLS_PORT: Final = 443
ALPN: Final = "acme-tls/1"


class Publication(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One way to prove one name.

    Attributes:
        name: the name.
        type: the challenge's type, such as "http-01".
        where: the URL (RFC 8555 8.3), the DNS record (8.4), or the TLS endpoint (RFC 8737 3).
        content: the body; the TXT value; or the hex digest in the certificate's acmeIdentifier extension.
        alpn, server_name: what a tls-alpn-01 client asks for.
        token: the challenge's token.
    """

    name: str
    type: str
    where: str
    content: str
    token: str
    alpn: str = ""
    server_name: str = ""


def publications(session: Session, http_port: int = HTTP_PORT, tls_port: int = TLS_PORT) -> list[Publication]:
    """Every way that is still open, for each name that is not proven; none for a session that needs none.

    dns-account-01 is left out: ACME clients alone use it, and they know the URL of their account.
    """
    if not session.live or session.state not in {State.MAKECHALLENGE, State.TESTCHALLENGE}:
        return []
    missing = set(unproven(session))
    return [
        publication(session, challenge, http_port, tls_port)
        for challenge in session.challenges
        if challenge.name in missing and not challenge.failed and challenge.type is not ChallengeType.DNS_ACCOUNT_01
    ]


def publication(session: Session, challenge: Challenge, http_port: int, tls_port: int) -> Publication:
    """What one challenge asks for."""
    name, token = challenge.name, challenge.data.token
    key_authorization = session.key_authorization(challenge)
    digest = hashlib.sha256(key_authorization.encode()).digest()
    host = f"[{name}]" if ":" in name else name
    label = challenge.type.label
    if challenge.type is ChallengeType.DNS_01:
        value = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        record = f"_acme-challenge.{name.removeprefix('*.')}"
        return Publication(name=name, type=label, where=record, content=value, token=token)
    if challenge.type is ChallengeType.TLS_ALPN_01:
        parsed = parse_name(name)
        server_name = ipaddress.ip_address(name).reverse_pointer if parsed.kind == "ip" else name
        return Publication(
            name=name,
            type=label,
            where=f"{host}:{tls_port}",
            content=digest.hex(),
            token=token,
            alpn=ALPN,
            server_name=server_name,
        )
    port = "" if http_port == HTTP_PORT else f":{http_port}"
    url = f"http://{host}{port}/.well-known/acme-challenge/{token}"
    return Publication(name=name, type=label, where=url, content=key_authorization, token=token)


def in_words(found: list[Publication]) -> list[str]:
    """The lines that tell a person what to publish; any one way for each name will do."""
    lines = []
    previous = ""
    for each in found:
        if each.name != previous:
            lines.append(f"To prove {each.name}, publish one of:")
            previous = each.name
        if each.type == ChallengeType.DNS_01.label:
            lines += [f"  dns-01: a TXT record {each.where}", f"    with {each.content}"]
        elif each.type == ChallengeType.TLS_ALPN_01.label:
            lines += [
                f"  tls-alpn-01: at {each.where}, for ALPN {each.alpn} and server name {each.server_name},",
                f"    a certificate with acmeIdentifier {each.content}",
            ]
        else:
            lines += [f"  http-01: at {each.where}", f"    the text {each.content}"]
    return lines
