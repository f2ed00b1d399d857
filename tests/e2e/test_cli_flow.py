"""The whole way on the command line, beside a running supervisor: request, proof, certificate, delivery, revocation."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from supervisor.embedded import socket_path
from tests.e2e.command import PROGRAM, ROOT, Place
from tests.unit.ca.making import make_csr

SETTINGS = """
[validation]
http_port = {port}
allow = ["loopback"]
[challenges]
types = ["http-01"]
retry_first = "200ms"
retry_max = "200ms"
"""


class Web:
    """A web server on loopback that answers for the tokens that it was told."""

    def __init__(self) -> None:
        self.published: dict[str, str] = {}
        published = self.published

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """Answer with what was published, or 404."""
                body = published.get(self.path, "").encode()
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.port = self.server.server_port

    def publish(self, asked: list[dict[str, str]]) -> None:
        """Do what `submit` says."""
        for each in asked:
            self.published["/.well-known" + each["where"].partition("/.well-known")[2]] = each["content"]


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    """The web server of the one who asks for certificates."""
    made = Web()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, web: Web) -> Iterator[Place]:
    """A CA with a running supervisor, which stops in order at the end."""
    place = Place(tmp_path_factory.mktemp("ca"))
    place.configure(SETTINGS.format(port=web.port))
    place.ok("init")
    command = [*PROGRAM, "--config", str(place.config), "run", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        events = (json.loads(line)["event"] for line in process.stdout)
        assert "supervisor.ready" in events
        reader = threading.Thread(target=lambda: list(events))
        reader.start()
        try:
            yield place
        finally:
            process.send_signal(signal.SIGTERM)
            reader.join()
        assert process.wait() == 0


def submit(place: Place, signer: ec.EllipticCurvePrivateKey | None = None) -> Any:
    (place.folder / "csr.pem").write_bytes(make_csr(["127.0.0.1"], signer=signer))
    return place.json("submit", place.folder / "csr.pem")


def test_certificate_is_got_confirmed_and_revoked(place: Place, web: Web) -> None:
    """From the request to the CRL; the story has every move, the evidence says what was seen."""
    submitted = submit(place, ec.generate_private_key(ec.SECP256R1()))
    session = submitted["session"]
    assert [each["type"] for each in submitted["publish"]] == ["http-01"]
    web.publish(submitted["publish"])
    chain = place.folder / "chain.pem"
    got = place.json("wait", session, "--out", chain, "--timeout", "20s")
    leaf, issuer = x509.load_pem_x509_certificates(chain.read_bytes())
    leaf.verify_directly_issued_by(issuer)
    serial = f"{leaf.serial_number:x}"
    assert serial == got["serial"]

    shown = place.json("show", session)
    assert shown["delivery"] == "confirmed"
    assert shown["challenges"][0]["satisfied"] is True
    assert shown["challenges"][0]["attempts"][-1]["hops"][0]["used"] == "127.0.0.1"
    assert shown["publish"] == []
    told = [move["what"] for move in shown["story"]]
    assert told.index("delivery sent") < told.index("delivery confirmed")

    assert place.ok("certificates", "export", serial).out == chain.read_text()
    [listed] = place.json("certificates", "--name", "127.0.0.1")["certificates"]
    assert (serial, None) == (listed["serial"], listed["revoked"])
    assert place.json("certificates", "--undelivered")["certificates"] == []
    assert place.json("certificates", "--expiring-within", "1d")["certificates"] == []
    assert len(place.json("certificates", "--expiring-within", "91d")["certificates"]) == 1

    window = ["--from", "2026-12-01", "--until", "2026-12-02T00:00:00Z"]
    asked = place.json("certificates", "renew-by", serial.upper(), *window)
    [listed] = place.json("certificates")["certificates"]
    for found in (asked, listed):
        assert (found["renew_from"], found["renew_until"]) == (1_796_083_200, 1_796_169_600)
    said = place.ok("certificates", "renew-by", serial, "--now").out
    assert said.startswith(f"certificate {serial} (127.0.0.1): to be renewed between ")
    assert place.json("certificates", "renew-by", serial, "--clear")["renew_from"] is None

    revoked = place.json("revoke", serial.upper(), "--reason", "keyCompromise")
    crl = x509.load_pem_x509_crl((place.data / "ca/crl.pem").read_bytes())
    key = issuer.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(key)
    assert [leaf.serial_number] == [entry.serial_number for entry in crl]
    assert revoked["key_blocked"] is True
    again = place.json("revoke", serial, "--reason", "keyCompromise")
    assert (revoked["revoked"], revoked["crl"]["number"] + 1) == (again["revoked"], again["crl"]["number"])
    other = place.call("revoke", serial, "--reason", "superseded")
    assert other.code == 4
    assert "the reason stays keyCompromise" in other.line
    refused = place.call("submit", place.folder / "csr.pem")
    assert (refused.code, refused.line) == (4, "public key: it was revoked as compromised; make another key")
    found = place.json("crl")
    assert (True, [serial]) == (found["complete"], [entry["serial"] for entry in found["revoked"]])
    assert len(place.json("certificates", "--revoked")["certificates"]) == 1


def test_chain_on_standard_output_is_sent_until_thanks(place: Place, web: Web) -> None:
    """What was printed counts as sent; `thanks` confirms it and finishes the session."""
    submitted = submit(place)
    session = submitted["session"]
    assert place.call("thanks", session).line == f"session {session}: it has no certificate yet"
    web.publish(submitted["publish"])
    result = place.ok("wait", session)
    assert len(x509.load_pem_x509_certificates(result.out.encode())) == 2
    assert place.json("show", session)["delivery"] == "sent"
    assert place.call("cancel", session).code == 4
    place.ok("thanks", session)
    assert place.json("show", session)["delivery"] == "confirmed"


@contextmanager
def started(place: Place, *arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """A command as a process, and its standard error to read along."""
    command = [*PROGRAM, "--config", str(place.config), *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=pipe, stderr=pipe) as process:
        assert process.stderr is not None
        try:
            yield process, process.stderr
        finally:
            process.kill()


def test_submit_and_wait_in_one(place: Place, web: Web) -> None:
    """The words come on standard error while it waits, the chain alone on standard output."""
    (place.folder / "csr.pem").write_bytes(make_csr(["127.0.0.1"]))
    with started(place, "submit", "--wait", place.folder / "csr.pem") as (process, err):
        lines = [err.readline().strip() for _ in range(4)]
        where, content = lines[2].removeprefix("http-01: at "), lines[3].removeprefix("the text ")
        web.publish([{"where": where, "content": content}])
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(x509.load_pem_x509_certificates(out.encode())) == 2
    assert out.startswith("-----BEGIN CERTIFICATE-----\n")


def test_rejected_while_waiting_has_code_7(place: Place) -> None:
    """It follows the session, and tells the reason when it ends."""
    session = submit(place)["session"]
    with started(place, "wait", session) as (process, err):
        assert err.readline().startswith("in state testchallenge, 0 of 1 names proven")
        place.ok("cancel", session, "--reason", "not this one")
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 7
    assert rest.splitlines()[-1] == f"error: session {session}: not this one"


def test_status_and_recover_beside_a_supervisor(place: Place) -> None:
    """It is alive, the rates are there, and the scan may only look."""
    status = place.json("status", "--watch", "1s")
    assert [each["alive"] for each in status["supervisors"]] == [True]
    assert set(status["per_second"]) == {"certificates", "retired", "rejected"}
    assert status["crl"]["number"] >= 1
    assert place.call("recover").code == 6
    assert place.json("recover", "--dry-run")["dry_run"] is True


def test_second_supervisor_is_refused(place: Place) -> None:
    """Code 6, beside a running one."""
    command = [*PROGRAM, "--config", str(place.config), "run", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 6


def garble(place: Place, session: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(socket_path(place.data)))
        client.sendall(f"HSET {session} state bogus\r\n".encode())
        assert client.recv(64) == b":0\r\n"


@pytest.fixture
def folder(tmp_path: Path) -> Place:
    """A CA without a supervisor."""
    place = Place(tmp_path)
    place.ok("init")
    return place


def test_quarantined_session_has_its_reason(folder: Place) -> None:
    """A garbled record is set aside by recovery, listed with its field, and shown as unreadable."""
    (folder.folder / "csr.pem").write_bytes(make_csr())
    session = folder.json("submit", folder.folder / "csr.pem")["session"]
    with folder.store():
        garble(folder, session)
        before = folder.json("recover", "--dry-run")
        assert [decision["action"] for decision in before["decisions"]] == ["quarantine"]
        assert folder.json("quarantine")["quarantine"] == []
    assert folder.json("recover")["changed"] == 1
    [row] = folder.json("quarantine")["quarantine"]
    assert (session, "state") == (row["session"], row["field"])
    assert folder.call("show", session).line.endswith("its record cannot be read: state: not one of the four states")
    assert folder.json("recover")["changed"] == 0
