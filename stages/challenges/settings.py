"""What the validators are told by the configuration, and what they are built of. For this package."""

from __future__ import annotations

import ssl

import msgspec

from stages.challenges.dialing import Dialer, is_local
from stages.challenges.resolving import DnsResolver, Resolver
from stages.challenges.targets import AddressPolicy


class ValidationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of all validations; the defaults are those of the configuration.

    Attributes:
        http_port: where http-01 begins (RFC 8555 8.3 says 80).
        https_port: a port that https redirects may name beside 443.
        tls_port: where tls-alpn-01 connects (RFC 8737 3 says 443).
        timeout: seconds for one whole attempt.
        body_cap: most bytes of an http-01 body.
        max_redirects: redirects followed by one http-01 attempt.
        allow: networks (CIDR) and keywords "public", "private", "loopback" that may be dialled.
        deny: the same, never dialled.
        own: address and port of the CA's own listeners and store, never dialled; "0.0.0.0" and "::" stand for
            every address of this host, port 0 for every port.
        resolver: "system", or "address:port" of DNS servers, with commas between them.
        resolver_timeout: seconds for one DNS lookup.
    """

    http_port: int = 80
    https_port: int = 443
    tls_port: int = 443
    timeout: float = 10.0
    body_cap: int = 4096
    max_redirects: int = 10
    allow: tuple[str, ...] = ("public", "private")
    deny: tuple[str, ...] = ()
    own: tuple[tuple[str, int], ...] = ()
    resolver: str = "system"
    resolver_timeout: float = 5.0


class Claim(msgspec.Struct, frozen=True):
    """What is to be proven: a DNS name or an IP address, the two texts of RFC 8555 8.1, and the URL of the account."""

    name: str
    token: str
    key_authorization: str
    account_url: str


class Tools(msgspec.Struct, frozen=True):
    """What a validator works with; made once for a set of settings, and shared by all attempts."""

    settings: ValidationSettings
    resolver: Resolver
    dialer: Dialer
    https: ssl.SSLContext
    acme_tls: ssl.SSLContext


def make_tools(settings: ValidationSettings, resolver: Resolver | None) -> Tools:
    """Build the tools; without a resolver, the one that the settings name.

    Raises:
        Refused: kind "malformed", when a network, an address or the resolver cannot be read.
    """
    resolver = resolver or DnsResolver(settings.resolver, settings.resolver_timeout)
    policy = AddressPolicy(settings.allow, settings.deny, settings.own, is_local)
    return Tools(
        settings,
        resolver,
        Dialer(resolver, policy),
        https=_context("http/1.1"),
        acme_tls=_context("acme-tls/1"),
    )


def _context(protocol: str) -> ssl.SSLContext:
    """Return a client's context that verifies nothing (RFC 8555 8.3, RFC 8737 3): what comes is the proof."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8737 3
    context.set_alpn_protocols([protocol])
    return context
