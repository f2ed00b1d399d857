"""What is warned of, and who is told: the section warnings. `supervisor.warnings` takes it as it is."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, StrictStr

from supervisor.config.addresses import check_host
from supervisor.config.section import Section, setting
from supervisor.config.values import (
    DAY,
    HOUR,
    MINUTE,
    Duration,
    Int,
    Kind,
    OptionalPath,
    Size,
    Span,
    Str,
)

_PORT_MAX: Final = 65_535
_MAILBOX: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts that are this machine: what is sent there crosses no network."""


def check_hook(text: str) -> str:
    """Empty, or an http:// or https:// URL of a host, with a path and perhaps a query, without a password."""
    if not text:
        return text
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or re.fullmatch(r"[!-~]+", text) is None or parts.fragment:
        raise ValueError('must be empty or a URL such as "https://hooks.example.org/ca"')
    if parts.username is not None or parts.password is not None:
        raise ValueError("must have no user name or password; requests are signed with webhook_secret_file")
    return text


def check_mailbox(text: str) -> str:
    """An address of mail such as "ca@example.org" (RFC 5321 4.1.2, without quotes and comments)."""
    if _MAILBOX.fullmatch(text) is None:
        raise ValueError('must be an address such as "ca@example.org"')
    return text


def check_smtp(text: str) -> str:
    """Empty, or a host and a port."""
    if not text:
        return text
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) <= _PORT_MAX or (":" in bare) != host.startswith("["):
        raise ValueError('must be empty or a host and a port such as "mail.example.org:587"')
    if bare != "localhost":
        check_host(bare)
    return text


def host_and_port(text: str) -> tuple[str, int]:
    """The parts of what `check_smtp` has passed, the host without brackets."""
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


Hook = Annotated[StrictStr, AfterValidator(check_hook), Kind.URL]
Mailbox = Annotated[StrictStr, AfterValidator(check_mailbox)]
Smtp = Annotated[StrictStr, AfterValidator(check_smtp)]


class Warnings(Section):
    """[warnings]: what is warned of, and who is told. A threshold of 0 turns its warning off."""

    interval: Span = setting(MINUTE, "The time between two looks.", low=1, high=DAY)
    issuer_expiry: Span = setting(
        90 * DAY, "How long before its end a CA certificate of the chain is warned of; at most a quarter of its life."
    )
    door_expiry: Span = setting(
        14 * DAY, "How long before its end the ACME server's certificate is warned of; at most a quarter of its life."
    )
    disk_free: Size = setting(1 << 30, "The room on data_dir's file system below which it is nearly full.")
    disk_percent: Int = setting(
        5,
        "The free part of data_dir's file system, in bytes or inodes, below which it is nearly full.",
        unit="percent",
        low=0,
        high=99,
    )
    clock_jump: Duration = setting(
        30.0, "How far the clock may be set at once, forwards or backwards, without a warning.", low=1
    )
    clock_differs: Duration = setting(5.0, "How far the store's clock may be from this one.", low=0)
    undelivered: Span = setting(2 * DAY, "The age at which a certificate that nobody has fetched is warned of.")
    unrenewed: Span = setting(
        14 * DAY,
        "How long before its end a certificate without a successor is warned of; at most a sixth of its life.",
    )
    store_file: Size = setting(4 << 30, "How large the embedded store's files may grow without a warning.")
    webhook_url: Hook = setting("", "Where warnings are posted as JSON; empty for nowhere. Redirects are not followed.")
    webhook_secret_file: OptionalPath = setting(
        None, "A file whose first line signs each post (HMAC-SHA256); empty for no signature."
    )
    mail_to: tuple[Mailbox, ...] = setting((), "Who gets warnings by mail; empty for nobody.")
    mail_from: Annotated[StrictStr, AfterValidator(lambda text: text and check_mailbox(text))] = setting(
        "", "Who sends that mail."
    )
    smtp: Smtp = setting("", 'The mail server that takes it, such as "mail.example.org:587"; empty for none.')
    smtp_tls: Literal["starttls", "tls", "off"] = setting(
        "starttls", '"starttls" and "tls" check the server\'s certificate; "off" is for a server on this machine.'
    )
    smtp_user: Str = setting("", "The user to log in to the mail server as; empty for no login.")
    smtp_password_file: OptionalPath = setting(None, "A file whose first line is that user's password; empty for none.")
    tls_ca_file: OptionalPath = setting(
        None, "The CA certificates that both servers are checked against; empty for the system's."
    )
    timeout: Duration = setting(10.0, "How long one attempt to tell may take.", low=0.1, high=5 * MINUTE)
    retry: Span = setting(
        30, "The time until a notice that was not taken is sent again; it doubles up to an hour.", low=1, high=HOUR
    )
