"""The one file on a Debian that has no Python: found, run, asked from inside and outside, killed, started again."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from anyio import to_thread
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from stages.ca.csr import thumbprint
from supervisor.version import VERSION
from tests.harness.authority import make_csr
from tests.harness.chain import check
from tests.harness.challtestsrv import challtestsrv
from tests.harness.clients.base import Server
from tests.harness.clients.lego import Lego
from tests.harness.fetching import service_port
from tests.harness.process import ROOT, Program
from tests.harness.responder import responder
from tests.packaging.debian import DebianRoot

READY = 2.0
"""Seconds from start to ready when the program has been unpacked before."""
CONFIG = "/etc/ca-supervisor/config.toml"
DATA = "/var/lib/ca-supervisor"
TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108  the Debian's, to be looked at
CACHE = "/var/cache/ca-supervisor"


@pytest.fixture
def installed(debian_root: DebianRoot, binary: Path) -> DebianRoot:
    """The Debian with the one file, and nothing else, installed."""
    debian_root.install(binary)
    return debian_root


@contextmanager
def running(root: DebianRoot) -> Iterator[tuple[Program, float]]:
    """The program in the Debian, ready; and the seconds that took."""
    began = time.monotonic()
    with Program(Path(CONFIG), argv=root.command("/usr/local/bin/ca-supervisor", "run", "--config", CONFIG)) as program:
        program.wait_for("supervisor.ready")
        yield program, time.monotonic() - began


def configure(root: DebianRoot, text: str) -> None:
    """Write config.toml."""
    path = root.path / CONFIG.lstrip("/")
    path.parent.mkdir(parents=True)
    path.write_text(f'data_dir = "{DATA}"\n{text}')


def unpacked(root: DebianRoot) -> list[str]:
    """What is in the cache, but for what the program's own folder holds."""
    return sorted(path.name.rpartition("-")[0] or path.name for path in (root.path / CACHE.lstrip("/")).iterdir())


def is_held(root: DebianRoot) -> bool:
    """Whether the unpacked program is locked, so that no other version removes it."""
    (folder,) = (root.path / CACHE.lstrip("/")).glob("program-*")
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(opened)
    return False


def test_debian_has_no_python(installed: DebianRoot) -> None:
    """Where there is no Python, the program says its version and finds the files that belong to it."""
    installed.run("sh", "-c", "command -v python3 python", code=127)
    assert installed.run("ca-supervisor", "--version").stdout.startswith("ca-supervisor ")
    installed.run("sh", "-c", "mkdir /new && cd /new && ca-supervisor init --name Example")
    assert (installed.path / "new" / "config.toml").read_text() == (ROOT / "config.toml").read_text()


@pytest.mark.anyio
async def test_debian_issues(installed: DebianRoot, tmp_path: Path) -> None:
    """A founded CA issues to its own command and to an ACME client outside, is killed, and is soon ready again."""
    csr = make_csr(ec.generate_private_key(ec.SECP256R1()), ["127.0.0.1"])
    (installed.path / "root" / "request.pem").write_text(csr)
    door, tls = service_port(), service_port()
    with challtestsrv() as dns:
        async with responder(thumbprint(csr)) as peer:
            configure(
                installed,
                f'[challenges]\ntypes = ["http-01"]\n'
                f'[validation]\nallow = ["loopback"]\nhttp_port = {peer.port}\nresolver = "{dns.dns}"\n'
                f'[acme]\nlisten = "127.0.0.1:{door}"\nurl = "https://localhost:{door}"\n',
            )
            installed.run("ca-supervisor", "init", "--name", "Example CA")
            installed.run("ca-supervisor", "check-config")
            with running(installed) as (program, _):
                submit = ("ca-supervisor", "submit", "/root/request.pem", "--wait")
                said = await to_thread.run_sync(lambda: installed.run(*submit))
                program.kill()
        chain = x509.load_pem_x509_certificates(said.stdout.encode())
        assert [certificate.subject.rfc4514_string() for certificate in chain[1:]] == ["CN=Example CA Intermediate"]

        with running(installed) as (program, seconds):
            pem = installed.path / DATA.lstrip("/") / "ca" / "root.pem"
            server = Server(f"https://localhost:{door}/acme/directory", pem, peer.port, tls, dns)
            issued = await to_thread.run_sync(Lego(server, tmp_path / "lego").issue, ["one.internal"])
            check(issued, ["one.internal"], pem)
            assert is_held(installed)
            assert program.stop() == 0
        assert not is_held(installed)
    assert program.other == []
    assert seconds < READY
    assert [installed.files(folder) for folder in TEMPORARY] == [[], []]
    assert unpacked(installed) == [".lock", f"program-{VERSION}"]
