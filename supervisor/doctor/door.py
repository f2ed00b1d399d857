"""Checks of the ACME server: its URL's host, its certificate, where its CRL is. For `supervisor.doctor` only.

Whether its ports are free is looked at in `network`, with the other listeners.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from datetime import timedelta
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread
from cryptography import x509

from stages.ca.pem import read_certificates
from stages.errors import Refused
from supervisor import build
from supervisor.config import Settings
from supervisor.config.acme import Acme
from supervisor.doctor.finding import Finding, error, note, ok, warning
from supervisor.http.tls import ServerTls

_LOOK_UP: Final = 5.0
"""Seconds in which the host's name must be found."""
_DAY: Final = 86_400
_SOON: Final = 14 * _DAY
_TCP: Final = {"type": socket.SOCK_STREAM}


async def check_door(settings: Settings, now: int) -> list[Finding]:
    """Everything about the ACME server; one line when there is none."""
    acme = settings.acme
    if not acme.on:
        return [ok("acme", "no ACME server: acme.listen is empty")]
    return [*await check_host(acme), *check_tls(settings, now), *check_plain(acme)]


async def check_host(acme: Acme) -> list[Finding]:
    """The host of acme.url is this machine, or what stands before it."""
    why, found = "", list[str]()
    try:
        with anyio.fail_after(_LOOK_UP):
            found = await to_thread.run_sync(_look_up, acme.host, abandon_on_cancel=True)
    except TimeoutError:
        why = f"no answer within {_LOOK_UP:g} s"
    except OSError as failure:
        why = failure.strerror or "it cannot be looked up"
    if why:
        advice = "clients must find it: give the name an address, or put a name that has one into acme.url"
        return [warning("acme.url", f"{acme.host}: {why}", advice)]
    return judge_host(acme, found, [address for address in found if is_local(address)])


def judge_host(acme: Acme, found: list[str], local: list[str]) -> list[Finding]:
    """From the addresses of the host, and those of them that are this machine's."""
    if local and not acme.loopback and all(ipaddress.ip_address(address).is_loopback for address in local):
        seen = f"{acme.host} is {', '.join(local)} here: clients elsewhere must get another address"
        return [note("acme.url", seen, "look at it from a client's machine")]
    if local:
        return [ok("acme.url", f"{acme.host} is {', '.join(local)}, this machine")]
    seen = f"{acme.host} is {', '.join(found)}, which is not this machine"
    if acme.tls == "off":
        return [note("acme.url", seen, "it must be the proxy that stands before acme.listen")]
    return [warning("acme.url", seen, "right behind a proxy or address translation; else correct the name's address")]


def _look_up(host: str) -> list[str]:
    """The addresses of a name or of an address. Raises OSError."""
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, None, **_TCP)))


def is_local(address: str) -> bool:
    """Whether an address is one of this machine's: only those can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError as failure:
        return failure.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
    return True


def check_tls(settings: Settings, now: int) -> list[Finding]:
    """The server has a certificate, or gets one, that clients will take."""
    acme = settings.acme
    if acme.tls == "off":
        seen = "off: what stands before it must serve HTTPS, which RFC 8555 6.1 demands"
        return [ok("acme.tls", seen)]
    if acme.tls == "own":
        return _own(settings, now)
    # A config file without them is refused.
    return _files(acme, acme.tls_certificate or Path(), acme.tls_key or Path(), now)


def _own(settings: Settings, now: int) -> list[Finding]:
    """The CA can issue for the server's names."""
    names = ", ".join(settings.acme.names)
    try:
        build.issuer(settings, now).check_names(settings.acme.names)
    except Refused as refused:
        if refused.kind == "config":
            return [note("acme.tls", f"own, for {names}, when there is an issuer", "see what is said of the issuer")]
        seen = f"{refused.field}: {refused.reason}"
        return [error("acme.tls", seen, "name others in acme.tls_names, or make an issuer that may issue for them")]
    return [ok("acme.tls", f"own, for {names}")]


def _files(acme: Acme, certificate: Path, key: Path, now: int) -> list[Finding]:
    """Certificate and key are readable and fit, the certificate has the URL's host, and is not at its end."""
    advice = "put a certificate and its key there; a SIGHUP takes them"
    try:
        ServerTls(certificate, key)
        leaf = read_certificates(certificate)[0]
    except Refused as refused:
        return [error("acme.tls", refused.reason, advice)]
    findings = [ok("acme.tls", f"{certificate} and its key fit")]
    if not covers(leaf, acme.host):
        seen = f"{certificate} is not for {acme.host}: clients refuse it"
        findings.append(error("acme.tls names", seen, f"get one that names {acme.host}"))
    return [*findings, _expiry(leaf, now, advice)]


def _expiry(leaf: x509.Certificate, now: int, advice: str) -> Finding:
    ends = leaf.not_valid_after_utc
    left = int(ends.timestamp()) - now
    seen = f"{left // _DAY} days until {ends:%Y-%m-%d}"
    if left < 0 or leaf.not_valid_before_utc.timestamp() > now:
        seen = f"valid from {leaf.not_valid_before_utc:%Y-%m-%d} to {ends:%Y-%m-%d}, not now: clients refuse it"
        return error("acme.tls expiry", seen, advice)
    lifetime = (ends - leaf.not_valid_before_utc) / timedelta(seconds=1)
    if left < min(_SOON, lifetime / 4):
        return warning("acme.tls expiry", seen, f"renew it: {advice}")
    return ok("acme.tls expiry", seen)


def covers(leaf: x509.Certificate, host: str) -> bool:
    """Whether a certificate is for a host (RFC 6125 6.4): a DNS name, its wildcard, or an IP address."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        known = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    return host in known or f"*.{host.partition('.')[2]}" in known


def check_plain(acme: Acme) -> list[Finding]:
    """Where certificates say that the CRL is."""
    if acme.http_listen:
        return [ok("acme.http_listen", f"certificates name the CRL below {acme.http_base}")]
    seen = f"certificates name the CRL below {acme.http_base}: who fetches it has to check another certificate first"
    return [note("acme.http_listen", seen, "set acme.http_listen: a CRL is signed and needs no HTTPS (RFC 5280 8)")]
