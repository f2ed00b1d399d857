"""The working parts of a program, put together as it does it, and what each would work with at its next step.

For test_live_settings only.
"""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Any, cast

import msgspec
import tomlkit
from cryptography import x509

from stages.challenges.validators import Validators
from stages.session import State
from supervisor import build
from supervisor.acme.front import Front
from supervisor.admin import AdminToken
from supervisor.build import Domain
from supervisor.config import load
from supervisor.http.message import Request
from supervisor.http.tls import ServerTls
from supervisor.lifecycle.stage_set import accounts_in, make_stages
from supervisor.logs.setup import Logs
from supervisor.pipeline.committer import Committer
from supervisor.reload import Reloader
from supervisor.term.term import Term
from supervisor.upkeep.press import Press
from tests.store.world import World


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
        issuer = self.issuer = build.issuer(settings, int(time.time()))
        self.committer = Committer(world.store, world.leases["A"], keep=lambda: self.reloader.domain.keep)
        self.validators = Validators(build.validation(settings, ()), None, time.time)
        self.reloader.follow(self.validators, ())
        stages = make_stages(
            self.reloader,
            self.validators,
            issuer,
            self.committer,
            accounts_in(world.store),
            time.time,
            lambda count: b"0" * count,
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
