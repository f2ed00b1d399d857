"""Every setting, one by one: what a reload changes in the working parts, and that `restart` is said where it does not.

The parts are the program's own, put together as it does it. `Parts.look` is what they would work with at their next
step, asked on the way that they ask themselves. A setting that is new has to find its place in one of the two tables.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import msgspec
import pytest
import tomlkit
from cryptography import x509

from stages.challenges.validators import Validators
from stages.session import State
from stages.store.keys import QUEUES
from supervisor import build
from supervisor.acme.front import Front
from supervisor.admin import AdminToken
from supervisor.build import Domain
from supervisor.config import Settings, load
from supervisor.config.settings import entries
from supervisor.http.message import Request
from supervisor.http.tls import ServerTls
from supervisor.lifecycle.stage_set import make_stages
from supervisor.logs.setup import Logs
from supervisor.pipeline.committer import Committer
from supervisor.reload import Reloader
from supervisor.term.term import Term
from supervisor.upkeep.press import Press
from tests.harness.authority import make_authority
from tests.store.world import World

pytestmark = pytest.mark.anyio

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


class Level(Logs):
    """The logs, as far as a reload changes them."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def set_level(self, level: str) -> None:
        """Take a level."""
        self.seen["level"] = level

    def set_form(self, form: str) -> None:
        """Take a form."""
        self.seen["form"] = form


class Parts:
    """The working parts of one program."""

    def __init__(self, world: World, config: Path) -> None:
        self.logs = Level()
        settings = load(config, {})
        self.reloader = Reloader(config, {}, Domain(settings), self.logs)
        self.logs.set_level(settings.logs.level)
        self.logs.set_form(settings.logs.format)
        self.token = AdminToken(settings)
        self.reloader.followers.append(self.token.follow)
        issuer = build.issuer(settings, int(time.time()))
        self.committer = Committer(world.store, world.leases["A"], keep=lambda: self.reloader.domain.keep)
        self.validators = Validators(build.validation(settings, ()), None, time.time)
        self.reloader.follow(self.validators, ())
        stages = make_stages(
            self.reloader, self.validators, issuer, self.committer, time.time, lambda count: b"0" * count
        )
        self.stages: dict[State, Any] = dict(stages)
        self.term = Term(world.store, world.leases["A"], self.committer, stages, self.reloader.queue)
        self.reloader.term = self.term
        self.front = Front(world.store, issuer, self.reloader)
        self.front.enter(self.committer)
        self.press: Press = self.front._press
        self.tls: ServerTls | None = None

    async def look(self) -> dict[str, Any]:
        """What each part would work with now."""
        settings, front = self.reloader.settings, self.front
        desk = cast("Any", front._door)._desk
        directory = await front._handle(Request("GET", "/acme/directory", "", {}, b"", "127.0.0.1", secure=True))
        acme = desk.settings()
        caa = self.stages[State.ISSUE]._permits._then._settings()
        return {
            **{f"queue {runner.queue}": runner._settings() for runner in self.term.runners},
            "upkeep": [
                settings.recovery,
                settings.warnings,
                self.reloader.domain.limits,
                settings.crl.next_update,
                settings.crl.renew_before,
                settings.done.certificates_keep,
                settings.shutdown.grace,
            ],
            "committer": self.committer.keep(),
            "stage makechallenge": self.stages[State.MAKECHALLENGE]._settings(),
            "stage testchallenge": self.stages[State.TESTCHALLENGE]._settings(),
            "validators": self.validators._tools.settings,
            "stage issue": _plain(self.stages[State.ISSUE]._settings()),
            "caa": caa.check,
            "stage done": self.stages[State.DONE]._settings(),
            "crl": [self.press._settings().crl.file, front._publisher._crl_file()],
            "directory": [directory.body, directory.headers],
            "desk": [
                acme.wait,
                acme.retry_after,
                acme.orders_page,
                acme.renewal_retry_after,
                acme.trusted_proxies,
                acme.limits,
            ],
            "http": msgspec.structs.replace(front._http(), grace=0),
            "nonces": front._nonces.lifetime,
            "own certificate": front._acme().names,
            "tls": _shown(self.tls()) if self.tls else None,
            "logs": dict(self.logs.seen),
            "admin": self.token(),
        }


def _plain(value: Any) -> Any:
    """A value that compares by what is in it."""
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return _plain(vars(value)) if hasattr(value, "__dict__") and not callable(value) else value


def _shown(context: ssl.SSLContext) -> int:
    """The serial number of the certificate that a server with this context shows."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    client = trusting.wrap_bio(to_client, to_server)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    der = client.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number


def write(config: Path, changes: dict[str, Any]) -> None:
    """Put values into a config file."""
    document: Any = tomlkit.parse(config.read_text())
    for key, value in changes.items():
        *above, name = key.split(".")
        table = document
        for each in above:
            table = table.setdefault(each, tomlkit.table())
        table[name] = value
    config.write_text(tomlkit.dumps(document))


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two CAs: the one of the tests, and one whose files stand for others."""
    folder = tmp_path_factory.mktemp("ca")
    return make_authority(folder / "ca").parent, make_authority(folder / "other").parent


@asynccontextmanager
async def parts_of(world: World, tmp_path: Path, authorities: tuple[Path, Path], key: str) -> AsyncIterator[Parts]:
    """The parts of a program with an ACME server, before `key` is changed."""
    ca, other = authorities
    for file, source in (("door", ca), ("other", other)):
        for end in ("pem", "key"):
            (tmp_path / f"{file}.{end}").write_bytes((source / f"data/ca/intermediate.{end}").read_bytes())
    (tmp_path / "blocked").write_text("0" * 64 + "\n")
    (tmp_path / "token").write_text("0123456789abcdef\n")
    (tmp_path / "config.toml").write_text("")
    base = {
        "data_dir": str(ca / "data"),
        "acme.listen": "127.0.0.1:1",
        "acme.url": "https://ca.example",
        "caa.identities": ["ca.example"],
        "profiles.web.validity": "1d",
    }
    before = WITH.get(key, {}).get("before", {})
    files = {"acme.tls_key": "door.key"} if "acme.tls_certificate" in before else {}
    write(tmp_path / "config.toml", base | before | files)
    parts = Parts(world, tmp_path / "config.toml")
    async with anyio.create_task_group() as group:
        if files:
            parts.tls = await parts.front._tls(group)
        yield parts
        group.cancel_scope.cancel()


def _changed(key: str, value: Any) -> dict[str, Any]:
    return {key: value, **{other: said for other, said in WITH.get(key, {}).items() if other != "before"}}


ROWS = [(key, value, part) for part, table in LIVE.items() for key, value in table.items() if key != "warnings"]


@pytest.mark.parametrize(("key", "value", "part"), ROWS, ids=[row[0] for row in ROWS])
async def test_live_setting(
    world: World, tmp_path: Path, authorities: tuple[Path, Path], key: str, value: Any, part: str
) -> None:
    """A reload says that it has taken it, and the part that it is for works otherwise from then on."""
    async with parts_of(world, tmp_path, authorities, key) as parts:
        before = await parts.look()
        write(tmp_path / "config.toml", _changed(key, value))
        outcome = parts.reloader.reload()
        assert outcome.problems == []
        assert [change.restart for change in outcome.changes if change.key == key] == [False]
        after = await parts.look()
        assert part in {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(("key", "value"), RESTART.items(), ids=list(RESTART))
async def test_restart_setting(
    world: World, tmp_path: Path, authorities: tuple[Path, Path], key: str, value: Any
) -> None:
    """A reload says that it waits for a restart, and no part works otherwise."""
    async with parts_of(world, tmp_path, authorities, key) as parts:
        before, settings = await parts.look(), parts.reloader.settings
        write(tmp_path / "config.toml", _changed(key, value))
        outcome = parts.reloader.reload()
        assert outcome.problems == []
        assert key in {change.key for change in outcome.changes}
        assert [change for change in outcome.changes if not change.restart] == []
        assert before == await parts.look()
        assert settings == parts.reloader.settings


def test_every_setting_is_in_one_table() -> None:
    """And in the one that its declaration says."""
    declared = {entry.key: entry.restart for entry in entries(Settings())}
    live = {key for table in LIVE.values() for key in table}
    found = dict.fromkeys(live, False) | dict.fromkeys(RESTART, True)
    assert found.pop("warnings") is False
    assert {key: restart for key, restart in declared.items() if not key.startswith("warnings.")} == found
    assert [key for key, restart in declared.items() if key.startswith("warnings.") and restart] == []
