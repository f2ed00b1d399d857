"""The program behind systemd's own tool for socket activation, systemd-socket-activate(1)."""

from __future__ import annotations

import shutil
import socket
import ssl
import time
import urllib.request
from pathlib import Path

from tests.harness.authority import make_authority
from tests.harness.fetching import service_port
from tests.harness.process import Program


def until_somebody_listens(port: int) -> None:
    """Connect until nobody refuses; what has connected says nothing and goes."""
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return


def test_first_client_starts_the_program_and_is_answered(binary: Path, tmp_path: Path) -> None:
    """The tool listens, starts the program at the first connection, and passes both sockets with their names."""
    tool = shutil.which("systemd-socket-activate")
    assert tool, "there is no systemd-socket-activate (Debian: apt-get install systemd)"
    port, plain = service_port(), service_port()
    acme = f'[acme]\nlisten = "127.0.0.1:{port}"\nurl = "https://localhost:{port}"\nhttp_listen = "127.0.0.1:{plain}"\n'
    config = make_authority(tmp_path, acme)
    listen = [f"--listen=127.0.0.1:{port}", f"--listen=127.0.0.1:{plain}", "--fdname=acme:acme-http"]
    cache = f"--setenv=CA_SUPERVISOR_CACHE={tmp_path}/cache"
    command = [tool, *listen, cache, str(binary), "run", "--config", str(config)]
    trust = ssl.create_default_context(cafile=tmp_path / "data" / "ca" / "root.pem")
    with Program(config, argv=command) as program:
        until_somebody_listens(port)
        with urllib.request.urlopen(f"https://localhost:{port}/acme/directory", context=trust, timeout=30) as answer:
            assert answer.status == 200
        at = [f"acme.listen 127.0.0.1:{port}", f"acme.http_listen 127.0.0.1:{plain}"]
        assert program.named("supervisor.activated")[0]["sockets"] == at
        program.wait_for("crl.written")
        with urllib.request.urlopen(f"http://127.0.0.1:{plain}/crl/main.crl", timeout=30) as answer:
            assert answer.status == 200
        assert program.stop() == 0
