"""Measure 10: certbot and lego as they are, from their start to their end, at ours and at pebble.

Each run has a new home: it makes an account and gets one certificate by http-01. The two servers run side by side and
take turns.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import CannotRun, Figure, Setting, at_most, median
from benchmarks.sides import acme_servers
from benchmarks.sides.acme_load import new_names
from benchmarks.sides.acme_servers import AcmeServer
from tests.harness.challtestsrv import ChallTestSrv
from tests.harness.clients.base import Client, ClientError, Server
from tests.harness.clients.certbot import Certbot
from tests.harness.clients.lego import Lego

TITLE = "ACME: certbot and lego as they are"


def measure(setting: Setting) -> list[Figure]:
    """Seconds of each client."""
    if why := Lego.missing():
        raise CannotRun(f"lego: {why}")
    figures = []
    with _both() as (folder, servers):
        for client, rounds in ((Lego, setting.pick(1, 9)), (Certbot, setting.pick(1, 9))):
            if why := client.missing():
                figures.append(Figure(f"{client.name}, one certificate", "not measured", why))
                continue
            took: dict[str, list[float]] = {who: [] for who in servers}
            for number in range(rounds):
                for who, server in servers.items():
                    took[who].append(_run(client, server, folder / f"{client.name}-{who}-{number}"))
            pebble = median(took["pebble"])
            what = f"{client.name}, an account and a certificate"
            figures.append(at_most(what, median(took["ours"]), pebble, " s", floor="pebble", places=3))
    return figures


@contextmanager
def _both() -> Iterator[tuple[Path, dict[str, AcmeServer]]]:
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with acme_servers.ours(folder / "ours") as ours, acme_servers.pebble(folder / "pebble") as pebble:
            yield folder, {"ours": ours, "pebble": pebble}


def _run(kind: type[Client], server: AcmeServer, home: Path) -> float:
    port = int(server.respond.rpartition(":")[2])
    dns = ChallTestSrv("", "")  # only dns-01 asks it
    client = kind(Server(server.directory, server.trust, port, 0, dns), home)
    names = new_names(1)
    began = time.perf_counter()
    try:
        client.issue(names)
    except ClientError as why:
        raise CannotRun(f"{kind.name} at {server.directory}: {why}") from None
    return time.perf_counter() - began
