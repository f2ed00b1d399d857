"""The ACME front door: the sections acme, acme.limits and caa.

`supervisor.acme` and what starts it take `Acme` as it is; the other sections of the domain know nothing of it.
"""

from __future__ import annotations

from typing import Literal

from supervisor.config.addresses import Address, Host, HttpBase, HttpsBase, Listens, addresses, host_of
from supervisor.config.section import Section, setting
from supervisor.config.values import (
    DAY,
    HOUR,
    MINUTE,
    Bool,
    Domain,
    Duration,
    Int,
    Network,
    OptionalPath,
    Size,
    Span,
    WebUrl,
)

_HTTP_PORT = 80


class NewAccounts(Section):
    """[acme.limits.new_accounts]: counted for each client address."""

    count: Int = setting(
        0,
        "How many accounts one client address may make in the time `per`; 0 for no limit.",
        unit="accounts",
        low=0,
        high=1_000_000,
    )
    per: Span = setting(HOUR, "The time in which that many are allowed.", low=1, high=30 * DAY)


class NewOrders(Section):
    """[acme.limits.new_orders]: counted for each account."""

    count: Int = setting(
        0,
        "How many orders one account may make in the time `per`; 0 for no limit.",
        unit="orders",
        low=0,
        high=1_000_000,
    )
    per: Span = setting(HOUR, "The time in which that many are allowed.", low=1, high=30 * DAY)


class AcmeLimits(Section):
    """[acme.limits]: what one client may make (RFC 8555 6.6); only what was made counts, not what was refused."""

    new_accounts: NewAccounts = NewAccounts()
    new_orders: NewOrders = NewOrders()
    open_orders: Int = setting(
        0,
        "How many orders without a certificate one account may have at once; 0 for no limit.",
        unit="orders",
        low=0,
        high=500,
    )


class Acme(Section):
    """[acme]: the front door (RFC 8555)."""

    listen: Listens = setting(
        "",
        'Where the ACME server listens, such as "0.0.0.0:443,[::]:443"; empty for no ACME server.',
        restart=True,
    )
    url: HttpsBase = setting(
        "",
        "The URL by which clients reach it, without a path; every URL that clients get begins with it.",
        restart=True,
    )
    http_listen: Listens = setting(
        "",
        "Where the CRL and the CA certificates are served over plain HTTP, and nothing else; empty for none.",
        restart=True,
    )
    http_url: HttpBase = setting(
        "",
        "The URL by which http_listen is reached; empty for one with the host of url and the port of http_listen.",
        restart=True,
    )
    tls: Literal["own", "files", "off"] = setting(
        "own",
        '"own" is a certificate that the CA issues to itself; "off" is for a proxy on this machine.',
        restart=True,
    )
    tls_certificate: OptionalPath = setting(
        None, 'With tls = "files": the chain of the ACME server, PEM, its own certificate first.', follows="acme.tls"
    )
    tls_key: OptionalPath = setting(
        None, 'With tls = "files": the private key of that certificate, PEM.', follows="acme.tls"
    )
    tls_names: tuple[Host, ...] = setting(
        (),
        'With tls = "own": the names and IP addresses in the certificate; empty for the host of url.',
        follows="acme.tls",
    )
    wait: Duration = setting(
        2.0,
        "How long a challenge or finalize request may wait for its outcome before the client has to ask again.",
        low=0,
        high=30,
    )
    retry_after: Span = setting(
        3, "When a client whose order or challenge is not through is told to ask again.", low=1, high=HOUR
    )
    eab_required: Bool = setting(
        default=False, sentence="Whether a new account needs External Account Binding (RFC 8555 7.3.4)."
    )
    terms_url: WebUrl = setting("", "The terms of service that a new account has to agree to; empty for none.")
    website: WebUrl = setting("", "The page that tells people about this CA; empty for none.")
    orders_page: Int = setting(
        50, "How many orders one page of an account's list has.", unit="orders", low=1, high=1000
    )
    renewal_retry_after: Span = setting(
        6 * HOUR, "When a client is told to ask again for a renewal window (RFC 9773).", low=MINUTE, high=DAY
    )
    nonce_lifetime: Span = setting(HOUR, "How long an anti-replay nonce can be used (RFC 8555 6.5).", low=1, high=DAY)
    max_body: Size = setting(64 << 10, "The longest request body; a longer one is refused.", low=1024, high=1 << 20)
    connections: Int = setting(
        1024, "How many connections are open at once; others are closed.", unit="connections", low=1, high=65_535
    )
    header_timeout: Duration = setting(
        10.0, "How long a client may take for the head of a request, TLS included.", low=0.1, high=300
    )
    body_timeout: Duration = setting(20.0, "How long a client may take for the body.", low=0.1, high=300)
    idle_timeout: Duration = setting(
        75.0, "How long a connection may stay open with no request on it.", low=0.1, high=HOUR
    )
    cors: Bool = setting(
        default=False, sentence="Whether web pages of other origins may use the server (CORS headers)."
    )
    trusted_proxies: tuple[Network, ...] = setting(
        (), "CIDRs of proxies whose X-Forwarded-For says whom limits for addresses count; empty for none."
    )
    limits: AcmeLimits = AcmeLimits()

    @property
    def on(self) -> bool:
        """Whether there is an ACME server."""
        return bool(self.listen)

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return all(address.loopback for address in self.addresses)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where `listen` says."""
        return addresses(self.listen)

    @property
    def http_addresses(self) -> tuple[Address, ...]:
        """Where `http_listen` says."""
        return addresses(self.http_listen)

    @property
    def host(self) -> str:
        """The host of `url`: a DNS name, or an IP address without brackets."""
        return host_of(self.url)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the server's own certificate: `tls_names`, or the host of `url`."""
        return self.tls_names or (self.host,)

    @property
    def http_base(self) -> str:
        """What the URLs of the CRL and the CA certificates begin with: `http_url`, what stands for it, or `url`."""
        if self.http_url or not self.http_listen:
            return self.http_url or self.url
        host = f"[{self.host}]" if ":" in self.host else self.host
        ports = {address.port for address in self.http_addresses}
        port = "" if _HTTP_PORT in ports else f":{self.http_addresses[0].port}"
        return f"http://{host}{port}"

    def crl_url(self, issuer: str) -> str:
        """Where the server has an issuer's CRL: what certificates say (RFC 5280 4.2.1.13); "" without a server."""
        return f"{self.http_base}/crl/{issuer}.crl" if self.on else ""

    def ca_issuers_url(self, issuer: str) -> str:
        """Where the server has an issuer's certificate (RFC 5280 4.2.2.1); "" without a server."""
        return f"{self.http_base}/ca/{issuer}.cer" if self.on else ""


class Caa(Section):
    """[caa]: the DNS records that say which CA may issue for a domain (RFC 8659, RFC 8657)."""

    check: Bool = setting(default=False, sentence="Whether CAA records are looked up before a certificate is issued.")
    identities: tuple[Domain, ...] = setting(
        (), "The domain names by which CAA records name this CA; the ACME directory lists them."
    )
