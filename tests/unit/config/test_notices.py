"""The section warnings: what is taken, and what does not go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.config import ConfigError, load
from supervisor.config.notices import host_and_port

MAIL = 'mail_to = ["a@example.org"]\nmail_from = "ca@example.org"\nsmtp = "mail.example.org:25"\n'


def problems(tmp_path: Path, table: str) -> list[str]:
    file = tmp_path / "config.toml"
    file.write_text(f"[warnings]\n{table}")
    try:
        load(file, {})
    except ConfigError as error:
        return [problem.key for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "table",
    [
        'webhook_url = "https://hooks.example.org/a?b=c"\nwebhook_secret_file = "secret"',
        'webhook_url = "http://127.0.0.1:8080/"',
        'webhook_url = "http://[::1]:8080"',
        MAIL,
        f'{MAIL}smtp_user = "ca"\nsmtp_password_file = "password"\nsmtp_tls = "tls"',
        'mail_to = ["a@example.org"]\nmail_from = "ca@example.org"\nsmtp = "[::1]:25"\nsmtp_tls = "off"',
        'issuer_expiry = "0s"\ndisk_free = "0B"\ndisk_percent = 0\nstore_file = "0B"\nclock_differs = "0s"',
    ],
)
def test_good_table_is_taken(tmp_path: Path, table: str) -> None:
    """Nothing is wrong with it."""
    assert problems(tmp_path, table) == []


@pytest.mark.parametrize(
    ("key", "table"),
    [
        ("webhook_url", 'webhook_url = "http://hooks.example.org/"'),
        ("webhook_url", 'webhook_url = "ftp://127.0.0.1/"'),
        ("webhook_url", 'webhook_url = "https://"'),
        ("webhook_url", 'webhook_url = "https://u:p@hooks.example.org/"'),
        ("webhook_url", 'webhook_url = "https://hooks.example.org/a b"'),
        ("webhook_url", 'webhook_url = "https://hooks.example.org/#a"'),
        ("webhook_url", 'webhook_url = "https://hooks.example.org:99999/"'),
        ("webhook_secret_file", 'webhook_secret_file = "secret"'),
        ("mail_to[0]", MAIL.replace('["a@example.org', '["a@example.org, b@example.org')),
        ("mail_to[0]", MAIL.replace('["a@example.org', '["a')),
        ("mail_from", MAIL.replace("ca@example.org", "ca@example.org\\r\\nBcc: a@b.c")),
        ("mail_from", MAIL.replace('mail_from = "ca@example.org"\n', "")),
        ("mail_from", 'mail_from = "ca@example.org"'),
        ("smtp", MAIL.replace("mail.example.org:25", "")),
        ("smtp", MAIL.replace("mail.example.org:25", "mail.example.org")),
        ("smtp", MAIL.replace("mail.example.org:25", "mail.example.org:0")),
        ("smtp", MAIL.replace("mail.example.org:25", "::1:25")),
        ("smtp", MAIL.replace("mail.example.org:25", "[mail.example.org:25")),
        ("smtp_tls", f'{MAIL}smtp_tls = "off"'),
        ("smtp_user", f'{MAIL}smtp_user = "ca"'),
        ("smtp_user", f'{MAIL}smtp_password_file = "password"'),
        ("disk_percent", "disk_percent = 100"),
        ("interval", 'interval = "0s"'),
        ("retry", 'retry = "0s"'),
    ],
)
def test_bad_table_is_refused(tmp_path: Path, key: str, table: str) -> None:
    """The key that is wrong is named."""
    assert problems(tmp_path, table) == [f"warnings.{key}"]


@pytest.mark.parametrize(("text", "parts"), [("a.example:25", ("a.example", 25)), ("[::1]:587", ("::1", 587))])
def test_server_has_host_and_port(text: str, parts: tuple[str, int]) -> None:
    """An IPv6 address loses its brackets."""
    assert host_and_port(text) == parts
