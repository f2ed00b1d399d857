"""Checks that look at more than one setting. Pure; for `supervisor.config.load`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from supervisor.config.acme import Acme
from supervisor.config.addresses import Address, tcp_addresses
from supervisor.config.notices import LOOPBACK, Warnings, host_and_port
from supervisor.config.settings import Settings
from supervisor.config.values import format_duration, hide_password


class Clash(NamedTuple):
    """Settings that do not go together: the one to change, what else took part, and why."""

    key: str
    others: tuple[str, ...]
    reason: str


def clashes(settings: Settings) -> Iterator[Clash]:
    """Everything in `settings` that contradicts something else in it."""
    yield from _store(settings)
    yield from _times(settings)
    yield from _door(settings)
    yield from _admin(settings)
    yield from _listeners(settings)
    yield from _warnings(settings.warnings)
    if settings.caa.check and not settings.caa.identities:
        yield Clash("caa.identities", ("caa.check",), "must name this CA when caa.check is true")
    if settings.default_profile not in settings.profiles:
        known = ", ".join(settings.profiles)
        yield Clash("default_profile", (), f"names no profile; there are: {known}")
    for what, names in (
        ("challenges.types", settings.challenges.types),
        ("keys.allowed", settings.keys.allowed),
    ):
        if len(set(names)) != len(names):
            yield Clash(what, (), "says the same thing twice")


def _store(settings: Settings) -> Iterator[Clash]:
    store = settings.store
    if store.url == "embedded":
        if store.one_of_several:
            yield Clash("store.one_of_several", ("store.url",), "the embedded store has one owner; set store.url")
        for key in ("username", "password_file", "tls_ca_file"):
            if getattr(store, key):
                yield Clash(f"store.{key}", ("store.url",), "has no effect on the embedded store; set store.url")
    elif store.tls_ca_file and not store.url.startswith("rediss://"):
        yield Clash("store.tls_ca_file", ("store.url",), "needs a store.url that begins with rediss://")
    if store.password_file and hide_password(store.url) != store.url:
        yield Clash("store.password_file", ("store.url",), "there is another password in store.url; keep one")


def _door(settings: Settings) -> Iterator[Clash]:
    """What the ACME server needs; nothing is asked of an [acme] that is off."""
    acme = settings.acme
    if not acme.on:
        if acme.http_listen:
            yield Clash("acme.http_listen", ("acme.listen",), "has no effect without acme.listen")
        return
    if not acme.url:
        reason = "must be set when acme.listen is: clients are given URLs that begin with it"
        yield Clash("acme.url", ("acme.listen",), reason)
    if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", settings.ca.name) is None:
        reason = "must be letters, digits, dots, - and _ when acme.listen is set: the CRL's URL has it"
        yield Clash("ca.name", ("acme.listen",), reason)
    if acme.http_url and not acme.http_listen:
        yield Clash("acme.http_url", ("acme.http_listen",), "has no effect without acme.http_listen")
    yield from _door_tls(acme)


def _door_tls(acme: Acme) -> Iterator[Clash]:
    if acme.tls == "off" and not acme.loopback:
        reason = 'must be loopback addresses when acme.tls is "off": nothing else may see requests without TLS'
        yield Clash("acme.listen", ("acme.tls",), reason)
    for key in ("tls_certificate", "tls_key"):
        if acme.tls == "files" and not getattr(acme, key):
            yield Clash(f"acme.{key}", ("acme.tls",), 'must name a file when acme.tls is "files"')
        if acme.tls != "files" and getattr(acme, key):
            yield Clash(f"acme.{key}", ("acme.tls",), 'has no effect unless acme.tls is "files"')
    if acme.tls != "own" and acme.tls_names:
        yield Clash("acme.tls_names", ("acme.tls",), 'has no effect unless acme.tls is "own"')


def _admin(settings: Settings) -> Iterator[Clash]:
    """Whoever reaches an address of the network is asked for a token."""
    admin = settings.admin
    if admin.token_file is None and not all(address.loopback for address in tcp_addresses(admin.listen)):
        reason = "must be a loopback address or a unix socket, or admin.token_file must name a token"
        yield Clash("admin.listen", ("admin.token_file",), reason)
    if admin.token_file is not None and not admin.listen:
        yield Clash("admin.token_file", ("admin.listen",), "has no effect without admin.listen")


def _listeners(settings: Settings) -> Iterator[Clash]:
    """No two listeners want the same address and port."""
    taken: dict[str, tuple[Address, ...]] = {}
    for key, text in (
        ("admin.listen", settings.admin.listen),
        ("acme.listen", settings.acme.listen),
        ("acme.http_listen", settings.acme.http_listen),
    ):
        mine = tcp_addresses(text)
        for other, theirs in taken.items():
            if any(one.overlaps(another) for one in mine for another in theirs):
                yield Clash(key, (other,), f"has an address and port that {other} has too")
        taken[key] = mine


def _warnings(table: Warnings) -> Iterator[Clash]:
    """What the channels of [warnings] need; nothing secret goes over a network unencrypted."""
    hook = urlsplit(table.webhook_url)
    if hook.scheme == "http" and hook.hostname not in LOOPBACK:
        yield Clash("warnings.webhook_url", (), "must begin with https:// unless its host is this machine")
    if table.webhook_secret_file and not table.webhook_url:
        yield Clash("warnings.webhook_secret_file", ("warnings.webhook_url",), "has no effect without a URL")
    for key in ("mail_from", "smtp"):
        if bool(table.mail_to) != bool(getattr(table, key)):
            reason = (
                "must be set when warnings.mail_to is" if table.mail_to else "has no effect without warnings.mail_to"
            )
            yield Clash(f"warnings.{key}", ("warnings.mail_to",), reason)
    if bool(table.smtp_user) != bool(table.smtp_password_file):
        yield Clash("warnings.smtp_user", ("warnings.smtp_password_file",), "goes together with smtp_password_file")
    if table.smtp and table.smtp_tls == "off" and host_and_port(table.smtp)[0] not in LOOPBACK:
        yield Clash("warnings.smtp_tls", ("warnings.smtp",), 'must not be "off" unless the server is this machine')


def _times(settings: Settings) -> Iterator[Clash]:
    for name in type(settings.queues).model_fields:
        queue = getattr(settings.queues, name)
        at = f"queues.{name}"
        yield from _at_most(f"{at}.backoff", queue.backoff, f"{at}.backoff_max", queue.backoff_max)
    challenges, crl = settings.challenges, settings.crl
    yield from _at_most("challenges.retry_first", challenges.retry_first, "challenges.retry_max", challenges.retry_max)
    if crl.renew_before >= crl.next_update:
        reason = f"must be shorter than crl.next_update ({format_duration(crl.next_update)})"
        yield Clash("crl.renew_before", ("crl.next_update",), reason)
    for name, profile in settings.profiles.items():
        if profile.backdate >= profile.validity:
            at = f"profiles.{name}"
            reason = f"must be shorter than {at}.validity ({format_duration(profile.validity)})"
            yield Clash(f"{at}.backdate", (f"{at}.validity",), reason)
    slowest = settings.queues.testchallenge.timeout
    yield from _at_most("validation.timeout", settings.validation.timeout, "queues.testchallenge.timeout", slowest)


def _at_most(key: str, value: float, other: str, limit: float) -> Iterator[Clash]:
    if value > limit:
        yield Clash(key, (other,), f"must not be longer than {other} ({format_duration(limit)})")
