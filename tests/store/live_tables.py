"""How each setting is taken: the two tables of test_live_settings. Only it imports them."""

from __future__ import annotations

from typing import Any

from stages.store.keys import QUEUES

QUEUE = {"concurrency": 7, "timeout": "29s", "max_attempts": 9, "backoff": "3s", "backoff_max": "9m"}
NEW_FILES = {"acme.tls_certificate": "other.pem", "acme.tls_key": "other.key"}

LIVE: dict[str, dict[str, Any]] = {
    **{f"queue {queue}": {f"queues.{queue}.{key}": value for key, value in QUEUE.items()} for queue in QUEUES},
    "upkeep": {
        "recovery.interval": "9m",
        "recovery.batch": 7,
        "sessions.makechallenge_max_age": "2h",
        "sessions.testchallenge_max_age": "8d",
        "sessions.issue_max_age": "8d",
        "crl.next_update": "8d",
        "crl.renew_before": "2d",
        "done.certificates_keep": "91d",
        "shutdown.grace": "19s",
        "warnings": "every one of them",
    },
    "committer": {"sessions.keep": "31d"},
    "stage makechallenge": {
        "challenges.types": ["http-01"],
        "challenges.expires": "8d",
        "challenges.token_bytes": 24,
    },
    "stage testchallenge": {"challenges.retry_first": "6s", "challenges.retry_max": "11m"},
    "validators": {
        "validation.timeout": "9s",
        "validation.http_port": 81,
        "validation.https_port": 444,
        "validation.tls_port": 445,
        "validation.body_cap": "8KiB",
        "validation.max_redirects": 3,
        "validation.resolver": "192.0.2.1",
        "validation.allow": ["public"],
        "validation.deny": ["10.0.0.0/8"],
    },
    "stage issue": {
        "challenges.proof_max_age": "31d",
        "default_profile": "web",
        "names.allow_domains": ["example"],
        "names.deny_domains": ["example"],
        "names.allow_ips": ["10.0.0.0/8"],
        "names.deny_ips": ["10.0.0.0/8"],
        "names.wildcards": False,
        "names.max_names": 9,
        "keys.allowed": ["p256"],
        "keys.blocked_file": "blocked",
        "profiles.default.validity": "80d",
        "profiles.default.backdate": "2h",
        "profiles.default.key_usages": ["digital_signature"],
        "profiles.default.extended_key_usages": ["client_auth"],
        "profiles.default.past_issuer": "refuse",
        "profiles.default.crl_url": "http://crl.example/a.crl",
        "profiles.default.ca_issuers_url": "http://crl.example/a.cer",
    },
    "caa": {"caa.check": True},
    "stage done": {"done.grace": "2d", "done.keep": "31d"},
    "crl": {"crl.file": "elsewhere.pem"},
    "directory": {
        "profiles.default.description": "for all",
        "caa.identities": ["ca.example", "pki.example"],
        "acme.eab_required": True,
        "acme.terms_url": "https://ca.example/terms",
        "acme.website": "https://ca.example/",
        "acme.cors": True,
    },
    "desk": {
        "acme.wait": "1s",
        "acme.retry_after": "4s",
        "acme.orders_page": 9,
        "acme.renewal_retry_after": "7h",
        "acme.trusted_proxies": ["10.0.0.0/8"],
        "acme.limits.open_orders": 3,
        "acme.limits.new_accounts.count": 3,
        "acme.limits.new_accounts.per": "2h",
        "acme.limits.new_orders.count": 3,
        "acme.limits.new_orders.per": "2h",
    },
    "http": {
        "acme.max_body": "32KiB",
        "acme.connections": 99,
        "acme.header_timeout": "9s",
        "acme.body_timeout": "9s",
        "acme.idle_timeout": "9s",
    },
    "nonces": {"acme.nonce_lifetime": "2h"},
    "own certificate": {"acme.tls_names": ["door.example"]},
    "tls": NEW_FILES,
    "logs": {"logs.level": "debug", "logs.format": "json"},
    "admin": {"admin.token_file": "token"},
}
"""By the part whose next step is another one after a reload: each setting with a value that is not its default."""

RESTART: dict[str, Any] = {
    "data_dir": "elsewhere",
    "store.url": "redis://localhost",
    "store.prefix": "ca:",
    "store.username": "ca",
    "store.password_file": "blocked",
    "store.tls_ca_file": "blocked",
    "store.connect_timeout": "6s",
    "store.lease": "12s",
    "store.one_of_several": True,
    "store.wait_aof_timeout": "6s",
    "ca.name": "other",
    "ca.certificate": "other.pem",
    "ca.key": "other.key",
    "ca.chain": [],
    "ca.alternate_chains": ["other.pem"],
    "ca.passphrase_file": "blocked",
    "acme.listen": "127.0.0.1:2",
    "acme.url": "https://other.example",
    "acme.http_listen": "127.0.0.1:3",
    "acme.http_url": "http://other.example",
    "acme.tls": "off",
    "logs.to": "stderr",
    "logs.backlog": "3MiB",
    "admin.listen": "127.0.0.1:4",
}
"""Settings that nothing takes before a restart."""

WITH: dict[str, dict[str, Any]] = {
    **dict.fromkeys(NEW_FILES, NEW_FILES | {"before": {"acme.tls": "files", "acme.tls_certificate": "door.pem"}}),
    **{key: {"before": {"store.url": "rediss://localhost"}} for key in RESTART if key.startswith("store.")},
    "store.url": {},
    "admin.token_file": {"before": {"admin.listen": "127.0.0.1:6"}},
    "acme.http_url": {"before": {"acme.http_listen": "127.0.0.1:5"}},
}
"""What has to be said together with a setting, and what the file has before (the two files of a door go together)."""
