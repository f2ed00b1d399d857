"""The ACME servers of the comparison, each as its makers ship it, in a folder of its own. For `benchmarks.measures`.

All have the same DNS (pebble-challtestsrv) and an http-01 responder on loopback; all write their logs to a file.

Ours: default settings but for ports, resolver and allowed networks; every write fsynced. pebble: no sleeps, no made-up
badNonce, no authorizations used again; it keeps nothing on disk. Caddy: its `acme_server`, durable like ours; it
validates on port 80 through the system's resolver only, so it has an address of its own and a resolv.conf of its own
in a mount namespace, which takes root.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.figures import CannotRun
from benchmarks.processes import ROOT, run_side
from tests.harness import challtestsrv
from tests.harness.authority import environment, make_authority
from tests.harness.fetching import service_port
from tests.harness.tls import Certificates

_START = 30.0
_STOP = 20.0
_CADDY_ADDRESS = "127.0.0.80"
"""Its responder's and its resolver's."""


class AcmeServer(NamedTuple):
    """A running one.

    Attributes:
        directory: the URL of its directory.
        trust: PEM of the CA of its HTTPS certificate.
        respond: HOST:PORT where it looks for http-01 answers.
        pids: its process, and its store's where it has one.
        start: seconds from its exec to the first answer.
    """

    directory: str
    trust: Path
    respond: str
    pids: tuple[int, ...]
    start: float

    def load(self, *arguments: object) -> dict[str, Any]:
        """Run `sides.acme_load` against it; what it found."""
        pids = [word for pid in self.pids for word in ("--pid", pid)]
        words = ("--directory", self.directory, "--trust", self.trust, "--respond", self.respond, *pids)
        return run_side("acme_load", *words, *arguments)


@contextmanager
def ours(
    folder: Path, report: Path | None = None, before: Callable[[Path], None] | None = None, more: str = ""
) -> Iterator[AcmeServer]:
    """The program with its door open; `before` fills the data directory that it will find, `more` is TOML of its own.

    With `report` its doors are wrapped (`sides.timed`): it writes what its parts cost into that file when it ends.
    """
    http_port, port = service_port(), service_port()
    directory = f"https://127.0.0.1:{port}/acme/directory"
    with dns("127.0.0.1", "127.0.0.1", service_port()) as resolver:
        config = make_authority(folder, _OURS.format(port=port, resolver=resolver) + more, http_port=http_port)
        if before is not None:
            before(folder / "data")
        command = [sys.executable, "-m", "supervisor", "run", "--config", str(config)]
        if report is not None:
            command = [sys.executable, "-m", "benchmarks.sides.timed", str(config), str(report)]
        with process(command, folder, environment()) as started:
            trust = folder / "data" / "ca" / "root.pem"
            start = wait_for(directory, trust, started, folder)
            store = int((folder / "data" / "store" / "valkey.pid").read_text())
            yield AcmeServer(directory, trust, f"127.0.0.1:{http_port}", (started.pid, store), start)


_OURS = """resolver = "{resolver}"
[acme]
listen = "127.0.0.1:{port}"
url = "https://127.0.0.1:{port}"
"""


@contextmanager
def pebble(folder: Path) -> Iterator[AcmeServer]:
    """Debian's pebble."""
    require("pebble", "pebble")
    folder.mkdir(parents=True)
    http_port, port, certificates = service_port(), service_port(), Certificates(folder / "tls")
    settings = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{service_port()}",
        "certificate": str(certificates.server),
        "privateKey": str(certificates.server),
        "httpPort": http_port,
        "tlsPort": service_port(),
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
    config = folder / "pebble.json"
    config.write_text(json.dumps({"pebble": settings}))
    more = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
    directory = f"https://127.0.0.1:{port}/dir"
    with dns("127.0.0.1", "127.0.0.1", service_port()) as resolver:
        command = ["pebble", "-config", str(config), "-dnsserver", resolver]
        with process(command, folder, environment(more)) as started:
            start = wait_for(directory, certificates.ca, started, folder)
            yield AcmeServer(directory, certificates.ca, f"127.0.0.1:{http_port}", (started.pid,), start)


@contextmanager
def caddy(folder: Path) -> Iterator[AcmeServer]:
    """Debian's Caddy with its acme_server."""
    require("caddy", "caddy")
    if os.geteuid():
        raise CannotRun("Caddy as a server needs root here: it validates on port 80 and by the system's resolver only")
    folder.mkdir(parents=True)
    port, resolv = service_port(), folder / "resolv.conf"
    resolv.write_text(f"nameserver {_CADDY_ADDRESS}\n")
    config = folder / "caddy.json"
    config.write_text(json.dumps(_caddy(port, folder)))
    # exec: what is started is Caddy itself, with its pid.
    script = 'mount --bind "$1" /etc/resolv.conf && exec caddy run --config "$2"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(resolv), str(config)]
    directory = f"https://localhost:{port}/acme/local/directory"
    trust = folder / "storage" / "pki" / "authorities" / "local" / "root.crt"
    with (
        dns(_CADDY_ADDRESS, _CADDY_ADDRESS, 53),
        process(command, folder, environment({"XDG_DATA_HOME": str(folder)})) as started,
    ):
        start = wait_for(directory, trust, started, folder)
        yield AcmeServer(directory, trust, f"{_CADDY_ADDRESS}:80", (started.pid,), start)


def _caddy(port: int, folder: Path) -> dict[str, object]:
    server = {
        "listen": [f"127.0.0.1:{port}"],
        "routes": [{"match": [{"host": ["localhost"]}], "handle": [{"handler": "acme_server", "ca": "local"}]}],
        "tls_connection_policies": [{}],
        "automatic_https": {"disable_redirects": True},
    }
    policy = {"subjects": ["localhost"], "issuers": [{"module": "internal", "ca": "local"}]}
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "storage": {"module": "file_system", "root": str(folder / "storage")},
        "apps": {
            "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
            "http": {"servers": {"ca": server}, "http_port": service_port(), "https_port": port},
            "tls": {"automation": {"policies": [policy]}},
        },
    }


@contextmanager
def dns(listen: str, address: str, port: int) -> Iterator[str]:
    """pebble-challtestsrv on `listen`: every name has this address and no other. Gives HOST:PORT."""
    require("pebble-challtestsrv", "pebble")
    command = challtestsrv.command(f"{listen}:{port}", service_port(), address)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as started:
        try:
            yield f"{listen}:{port}"
        finally:
            started.terminate()


@contextmanager
def process(command: list[str], folder: Path, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A server, its output in log.txt of its folder; it ends with the block."""
    with (
        (folder / "log.txt").open("ab") as log,
        subprocess.Popen(
            command, cwd=ROOT, env=dict(variables), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        ) as started,
    ):
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(_STOP)
            except subprocess.TimeoutExpired:
                started.kill()


def wait_for(directory: str, trust: Path, started: subprocess.Popen[bytes], folder: Path) -> float:
    """Wait until the directory is there; the seconds that it took. Raises CannotRun."""
    began = time.monotonic()
    while True:
        try:
            context = ssl.create_default_context(cafile=str(trust))
            with urllib.request.urlopen(directory, timeout=5, context=context) as answer:  # noqa: S310  a URL of ours
                answer.read()
        except OSError as why:
            if started.poll() is not None or time.monotonic() - began > _START:
                said = (folder / "log.txt").read_text(errors="backslashreplace")[-2000:]
                raise CannotRun(f"{directory} does not answer ({why}); log:\n{said}") from None
            time.sleep(0.01)
        else:
            return time.monotonic() - began


def require(program: str, package: str) -> None:
    """Raise CannotRun without the program."""
    if shutil.which(program) is None:
        raise CannotRun(f"{program} is not installed (Debian: apt-get install {package})")
