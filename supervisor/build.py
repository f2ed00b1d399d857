"""Makes the domain's objects from settings: policies, profiles, the issuer, validators, the store's address.

Everything that can be wrong with a file or a value is `Refused("config", ...)` here, before anything has started.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace

from stages.ca.issuer import Issuer, load_issuer, make_issuer
from stages.ca.key_policy import KeyPolicy
from stages.ca.pem import read_certificates
from stages.ca.profiles import Profile, check_profile
from stages.challenges import CaaSettings, ValidationSettings
from stages.done import DoneSettings
from stages.errors import Refused
from stages.issue import IssueSettings
from stages.makechallenge import MakeChallengeSettings
from stages.name_policy import NamePolicy
from stages.session import OFFERED
from stages.store.connection import StoreSettings
from stages.testchallenge import TestChallengeSettings
from supervisor.config.addresses import tcp_addresses
from supervisor.config.settings import Settings
from supervisor.recovery.decide import Limits

_TYPES = {kind.label: kind for kind in OFFERED}
_SPKI = re.compile(r"[0-9a-fA-F]{64}")


class Domain:
    """The domain's settings, made from one reading of the configuration; a reload makes a new one."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.names = name_policy(settings)
        self.keys = key_policy(settings)
        self.profiles = {name: profile(name, settings) for name in settings.profiles}
        challenges, queue, sessions = settings.challenges, settings.queues.testchallenge, settings.sessions
        self.makechallenge = MakeChallengeSettings(
            tuple(_TYPES[label] for label in challenges.types),
            int(challenges.expires),
            challenges.token_bytes,
        )
        self.testchallenge = TestChallengeSettings(
            queue.max_attempts,
            queue.backoff,
            queue.backoff_max,
            challenges.retry_first,
            challenges.retry_max,
            queue.timeout - settings.validation.timeout,
        )
        self.issue = IssueSettings(
            self.profiles,
            settings.default_profile,
            self.names,
            self.keys,
            int(challenges.proof_max_age),
            int(sessions.issue_max_age),
        )
        self.caa = CaaSettings(settings.caa.check, settings.caa.identities)
        self.done = DoneSettings(int(settings.done.grace), int(settings.done.keep))
        self.limits = Limits(
            int(sessions.makechallenge_max_age),
            int(sessions.testchallenge_max_age),
            int(sessions.issue_max_age),
        )
        self.keep = max(1, int(sessions.keep))


def name_policy(settings: Settings) -> NamePolicy:
    """The rules of [names]."""
    names = settings.names
    return NamePolicy.from_settings(
        allow_domains=names.allow_domains,
        deny_domains=names.deny_domains,
        allow_ips=[str(network) for network in names.allow_ips],
        deny_ips=[str(network) for network in names.deny_ips],
        wildcards=names.wildcards,
        max_names=names.max_names,
    )


def key_policy(settings: Settings) -> KeyPolicy:
    """The rules of [keys], with the blocked keys of the file."""
    blocked = _blocked(settings.keys.blocked_file) if settings.keys.blocked_file else []
    return KeyPolicy.from_settings(key_types=settings.keys.allowed, blocked_spki=blocked)


def _blocked(file: Path) -> list[str]:
    digests = []
    for number, line in enumerate(_read(file, "keys.blocked_file").splitlines(), 1):
        text = line.split("#", 1)[0].strip()
        if not text:
            continue
        if not _SPKI.fullmatch(text):
            raise Refused("config", "keys.blocked_file", f"line {number} of {file} is not a hex SHA-256 digest")
        digests.append(text.lower())
    return digests


def profile(name: str, settings: Settings) -> Profile:
    """One [profiles.<name>]; where it says nothing else, its URLs are those at which the ACME server has them."""
    table, acme, issuer_id = settings.profiles[name], settings.acme, settings.ca.name
    made = Profile(
        name=name,
        validity_seconds=int(table.validity),
        backdate_seconds=int(table.backdate),
        key_usages=tuple(_camel(word) for word in table.key_usages),
        extended_key_usages=tuple(_camel(word) for word in table.extended_key_usages),
        past_issuer=table.past_issuer,
        crl_url=table.crl_url or acme.crl_url(issuer_id),
        ca_issuers_url=table.ca_issuers_url or acme.ca_issuers_url(issuer_id),
    )
    return check_profile(made)


def _camel(word: str) -> str:
    """The RFC 5280 spelling of a usage, such as digitalSignature for digital_signature."""
    first, *rest = word.split("_")
    return first + "".join(part.capitalize() for part in rest)


def validation(settings: Settings, own: tuple[tuple[str, int], ...]) -> ValidationSettings:
    """The settings of [validation]; `own` are the addresses and ports that belong to the CA itself."""
    table = settings.validation
    return ValidationSettings(
        http_port=table.http_port,
        https_port=table.https_port,
        tls_port=table.tls_port,
        timeout=table.timeout,
        body_cap=table.body_cap,
        max_redirects=table.max_redirects,
        allow=table.allow,
        deny=table.deny,
        own=own,
        resolver=table.resolver,
        resolver_timeout=min(5.0, table.timeout),
    )


def issuer(settings: Settings, now: int) -> Issuer:
    """The issuer of [ca], checked."""
    ca = settings.ca
    passphrase = read_secret(ca.passphrase_file, "ca.passphrase_file")
    return load_issuer(
        ca.certificate,
        ca.key,
        now,
        chain_files=ca.chain,
        passphrase=passphrase.encode() if passphrase else None,
        issuer_id=ca.name,
    )


def alternates(settings: Settings, issuing: Issuer, now: int) -> tuple[Issuer, ...]:
    """The issuer as each chain of ca.alternate_chains has it, to offer its chain beside the first (RFC 8555 7.4.2).

    Raises Refused("config", <file>, ...) for a file that is no chain of this issuer: another key or name, an expired
    certificate, one that is not signed by the next.
    """
    return tuple(_alternate(file, issuing, now) for file in settings.ca.alternate_chains)


def _alternate(file: Path, issuing: Issuer, now: int) -> Issuer:
    made = make_issuer(issuing.key, read_certificates(file), now, issuer_id=issuing.id, where=str(file))
    if made.certificate.subject != issuing.certificate.subject:
        raise Refused("config", str(file), "its first certificate has another subject than ca.certificate")
    if made.authority_key_identifier != issuing.authority_key_identifier:
        raise Refused("config", str(file), "its first certificate has another key identifier than ca.certificate")
    return made


def store_settings(settings: Settings, embedded_url: str) -> StoreSettings:
    """Where the store is; `embedded_url` is that of the embedded one, whose replies wait for the disk by themselves."""
    table = settings.store
    embedded = table.url == "embedded"
    return StoreSettings(
        url=embedded_url if embedded else table.url,
        prefix=table.prefix,
        username=table.username,
        password=read_secret(table.password_file, "store.password_file"),
        tls_ca_file=str(table.tls_ca_file or ""),
        connect_timeout=table.connect_timeout,
        wait_aof_timeout=0 if embedded else int(table.wait_aof_timeout * 1000),
    )


def without_wait(address: StoreSettings) -> StoreSettings:
    """The same store, not asked to wait for its disk: it has no WAITAOF."""
    return replace(address, wait_aof_timeout=0)


def own_addresses(settings: Settings) -> tuple[tuple[str, int], ...]:
    """Addresses and ports of the CA's own listeners and store, which validations never dial.

    "0.0.0.0" and "::" stand for every address of this host.
    """
    own: list[tuple[str, int]] = []
    for listen in (settings.admin.listen, settings.acme.listen, settings.acme.http_listen):
        for host, port in tcp_addresses(listen):
            own += [("127.0.0.1", port), ("::1", port)] if host == "localhost" else [(host, port)]
    if settings.store.url.startswith(("redis://", "rediss://")):
        parts = urlsplit(settings.store.url)
        own += _look_up(parts.hostname or "localhost", parts.port or 6379)
    return tuple(own)


def _look_up(host: str, port: int) -> list[tuple[str, int]]:
    try:
        return [(str(found[4][0]), port) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except OSError:
        return []  # a store that cannot be found cannot be reached by a validation either


def read_secret(file: Path | None, setting: str) -> str:
    """The first line of a secret's file; "" without one."""
    if file is None:
        return ""
    first = _read(file, setting).splitlines()[:1]
    if not first or not first[0]:
        raise Refused("config", setting, f"the first line of {file} is empty")
    return first[0]


def _read(file: Path, setting: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("config", setting, f"{file} cannot be read: {type(error).__name__}") from None
