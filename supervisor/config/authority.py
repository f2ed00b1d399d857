"""What is issued, and to whom: the sections challenges, validation, names, keys, CA, CRL, profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from supervisor.config.section import Section, setting
from supervisor.config.values import (
    DAY,
    HOUR,
    MINUTE,
    Bool,
    DataPath,
    Domain,
    Duration,
    Int,
    Network,
    OptionalPath,
    Reach,
    Resolver,
    Size,
    Span,
    Str,
    WebUrl,
)

ChallengeName: TypeAlias = Literal["http-01", "dns-01", "tls-alpn-01", "dns-account-01"]
KeyType: TypeAlias = Literal["p256", "p384", "p521", "ed25519", "rsa2048", "rsa3072", "rsa4096"]
KeyUsage: TypeAlias = Literal[
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"
]
ExtendedKeyUsage: TypeAlias = Literal["server_auth", "client_auth", "code_signing", "email_protection"]


class Challenges(Section):
    """[challenges]: the ways in which a name can be proven."""

    types: tuple[ChallengeName, ...] = setting(
        ("http-01", "dns-01", "tls-alpn-01"),
        "The challenge types that are offered; one more is dns-account-01, which needs an ACME account.",
        filled=True,
    )
    expires: Span = setting(7 * DAY, "How long a new challenge can be answered.", low=MINUTE)
    retry_first: Duration = setting(
        5.0, "The delay before the second test of a session whose client sends no ready message.", low=0.1
    )
    retry_max: Duration = setting(10.0 * MINUTE, "The longest delay between two such tests.", low=0.1)
    proof_max_age: Span = setting(30 * DAY, "The age at which a proof no longer counts.", low=MINUTE)
    token_bytes: Int = setting(
        32, "How many random bytes a token has (RFC 8555 8.1 asks for 16).", unit="bytes", low=16, high=64
    )


class Validation(Section):
    """[validation]: how proofs are looked up, and which addresses may be reached for that."""

    timeout: Duration = setting(10.0, "How long one test of one challenge may take.", low=0.1, high=300)
    http_port: Int = setting(80, "The port of http-01.", unit="port", low=1, high=65_535)
    https_port: Int = setting(443, "The port of a redirect to https.", unit="port", low=1, high=65_535)
    tls_port: Int = setting(443, "The port of tls-alpn-01.", unit="port", low=1, high=65_535)
    body_cap: Size = setting(4096, "How much of an http-01 answer is read.", low=128, high=1 << 20)
    max_redirects: Int = setting(10, "How many redirects are followed; 0 for none.", unit="redirects", low=0, high=20)
    resolver: Resolver = setting(
        "system", 'The name servers to ask: "system", or addresses with optional ports, separated by commas.'
    )
    allow: tuple[Reach, ...] = setting(
        ("private", "public"),
        "What may be reached: CIDRs and the words private, loopback and public.",
        filled=True,
    )
    deny: tuple[Reach, ...] = setting(
        (),
        "What may not be reached although it is allowed: CIDRs and the words private, loopback and public.",
    )


class Names(Section):
    """[names]: which names certificates may carry."""

    allow_domains: tuple[Domain, ...] = setting((), "Only these domains and names below them; empty for any.")
    deny_domains: tuple[Domain, ...] = setting((), "Never these domains and names below them.")
    allow_ips: tuple[Network, ...] = setting((), "Only IP addresses in these CIDRs; empty for any.")
    deny_ips: tuple[Network, ...] = setting((), "Never IP addresses in these CIDRs.")
    wildcards: Bool = setting(default=True, sentence="Whether wildcard names are allowed (proven by DNS records only).")
    max_names: Int = setting(100, "The most names in one certificate.", unit="names", low=1, high=1000)


class Keys(Section):
    """[keys]: which public keys certificates may carry."""

    allowed: tuple[KeyType, ...] = setting(
        ("p256", "p384", "p521", "ed25519", "rsa2048", "rsa3072", "rsa4096"),
        "The key types that are accepted; RSA by its size in bits.",
        filled=True,
    )
    blocked_file: OptionalPath = setting(
        None,
        "A file of blocked keys, one hex SHA-256 of a SubjectPublicKeyInfo on each line; empty for none.",
    )


class Ca(Section):
    """[ca]: the issuer."""

    name: Str = setting("main", "The issuer's id in records and logs.", restart=True)
    certificate: DataPath = setting(
        Path("ca/intermediate.pem"), "The issuer's certificate, PEM; relative to data_dir.", restart=True
    )
    key: DataPath = setting(
        Path("ca/intermediate.key"), "The issuer's private key, PEM; relative to data_dir.", restart=True
    )
    chain: tuple[DataPath, ...] = setting(
        (Path("ca/root.pem"),),
        "The certificates above the issuer, lowest first; relative to data_dir.",
        restart=True,
    )
    alternate_chains: tuple[DataPath, ...] = setting(
        (),
        "Other chains, one PEM file each: another certificate of the issuer, those above it; relative to data_dir.",
        restart=True,
    )
    passphrase_file: OptionalPath = setting(
        None, "A file whose first line is the private key's passphrase; empty for none.", restart=True
    )


class Crl(Section):
    """[crl]: the list of revoked certificates (RFC 5280 5)."""

    file: DataPath = setting(Path("ca/crl.pem"), "Where the CRL is written; relative to data_dir.", follows="data_dir")
    next_update: Span = setting(7 * DAY, "How long a CRL is valid.", low=HOUR)
    renew_before: Span = setting(DAY, "How long before the end of its validity a new one is written.", low=MINUTE)


class Profile(Section):
    """[profiles.<name>]: what a kind of certificate carries."""

    validity: Span = setting(90 * DAY, "How long a certificate is valid.", low=5 * MINUTE, high=3650 * DAY)
    backdate: Span = setting(
        HOUR,
        "How long before the issuance it begins to be valid, for clients whose clock is slow.",
        low=0,
        high=7 * DAY,
    )
    key_usages: tuple[KeyUsage, ...] = setting(
        ("digital_signature", "key_encipherment"), "Key usages (RFC 5280 4.2.1.3).", filled=True
    )
    extended_key_usages: tuple[ExtendedKeyUsage, ...] = setting(
        ("server_auth",), "Extended key usages (RFC 5280 4.2.1.12)."
    )
    past_issuer: Literal["clamp", "refuse"] = setting(
        "clamp", "A certificate that would outlive its issuer is shortened or refused."
    )
    crl_url: WebUrl = setting(
        "", "The CRL's URL in certificates (RFC 5280 4.2.1.13); empty for the ACME server's, or none without it."
    )
    ca_issuers_url: WebUrl = setting(
        "",
        "The URL of the issuer's certificate in certificates (RFC 5280 4.2.2.1); empty as for crl_url.",
    )
    description: Str = setting("", "What the ACME directory says of it to people.")
