"""A whole certificate, before your eyes: `make demo`. Starts the real program in a temporary directory.

Two names are proven by the real http-01 test, one after a real DNS query; DNS and web server are this program's, on
loopback. Then an ACME client that is no part of the project gets a certificate. Ends with 1, saying what is off, when
anything is; `--program` names another program than the installed one.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from rich.console import Console
from rich.text import Text

NAME, ADDRESS = "printer.demo.internal", "127.0.0.1"
QUEUES = {
    "makechallenge": "one challenge for each name and type that fits",
    "testchallenge": "every name is tested, the evidence is kept",
    "issue": "proofs and CSR are checked, the intent is recorded, then signed",
    "done": "the delivery is followed until the client has it",
}
SECONDS = 60
"""The longest that one step may take."""


class DemoError(Exception):
    """What is off."""


def serve_dns(asked: list[str]) -> tuple[str, int]:
    """Answer every query for NAME on loopback until the process ends; `asked` gets a line for each."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((ADDRESS, 0))

    def answer() -> None:
        while True:
            data, peer = server.recvfrom(4096)
            query = dns.message.from_wire(data)
            reply = dns.message.make_response(query, recursion_available=True)
            reply.flags |= dns.flags.AA
            question = query.question[0]
            if question.rdtype == dns.rdatatype.A and str(question.name).lower() == f"{NAME}.":
                reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", ADDRESS))
            asked.append(f"{str(question.name).rstrip('.')} {dns.rdatatype.to_text(question.rdtype)}")
            server.sendto(reply.to_wire(), peer)

    threading.Thread(target=answer, daemon=True).start()
    host, port = server.getsockname()
    return host, port


def serve_web(thumbprint: str, folder: Path, asked: list[str]) -> int:
    """Answer http-01 (RFC 8555 8.3) until the process ends; the port comes back.

    A token that has a file below `folder` is answered with that file, any other with the key authorization.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place, _, token = self.path.rpartition("/")
            found = place == "/.well-known/acme-challenge"
            file = folder / ".well-known" / "acme-challenge" / token
            body = b""
            if found:
                body = file.read_bytes() if file.is_file() else f"{token}.{thumbprint}".encode()
            asked.append(f"{self.headers.get('Host')} from {self.headers.get('User-Agent')}")
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: `asked` is told."""

    server = ThreadingHTTPServer((ADDRESS, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as found:
        found.bind((ADDRESS, 0))
        return int(found.getsockname()[1])


class Demo:
    """The steps, in one folder."""

    def __init__(self, folder: Path, program: list[str], console: Console) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.log = folder / "log.jsonl"
        self.program = program
        self.console = console
        self.queries: list[str] = []
        self.requests: list[str] = []
        self.began = time.monotonic()

    def step(self, text: str) -> None:
        """Announce a step, with the seconds since the start."""
        self.console.print(Text(f"{time.monotonic() - self.began:6.2f} s  ", "dim").append(text, "bold"))

    def detail(self, text: str) -> None:
        """Something about the last step."""
        self.console.print(Text(f"          {text}"), soft_wrap=True)

    def call(self, *command: str) -> str:
        """Run a command to its end; its standard output comes back. Raises DemoError when it fails."""
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            raise DemoError(f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def ca(self, *arguments: str) -> str:
        """Run a command of the program."""
        return self.call(*self.program, *arguments, "--config", str(self.config))

    def run(self) -> None:
        """All of it."""
        thumbprint = self.make_request()
        host, port = serve_dns(self.queries)
        web = self.folder / "www"
        web.mkdir()
        url = f"https://localhost:{(door := free_port())}"
        self.config.write_text(
            'data_dir = "data"\n[validation]\nallow = ["loopback"]\n'
            f'http_port = {serve_web(thumbprint, web, self.requests)}\nresolver = "{host}:{port}"\n'
            '[challenges]\ntypes = ["http-01"]\n[logs]\nformat = "json"\n'
            f'[acme]\nlisten = "{ADDRESS}:{door}"\nurl = "{url}"\n'
        )
        self.step("Make a CA: a root and an intermediate (ca-supervisor init)")
        self.ca("init", "--name", "Demo CA")
        self.step("Start the supervisor with its own store (ca-supervisor run)")
        with self.supervisor() as supervisor:
            self.step(f"Ask for a certificate for {NAME} and {ADDRESS} (ca-supervisor submit)")
            arguments = ("request.pem", "--wait", "--timeout", f"{SECONDS // 2}s", "--out", "chain.pem", "--json")
            session = json.loads(self.ca("submit", *arguments))["session"]
            self.tell_story(session)
            self.verify(
                self.folder / "chain.pem", self.folder / "key.pem", {"-verify_hostname": NAME, "-verify_ip": ADDRESS}
            )
            self.step(f"Get a certificate for {NAME} with an ACME client")
            self.verify(*self.order(f"{url}/acme/directory", web), {"-verify_hostname": NAME})
            self.step("Stop the supervisor (SIGTERM)")
            supervisor.send_signal(signal.SIGTERM)
            code = supervisor.wait(SECONDS)
        if code or not self.event("supervisor.stopped"):
            raise DemoError(f"the supervisor ended with {code}:\n{self.log.read_text()}")
        if loud := [event for event in self.events() if event["level"] == "error"]:
            raise DemoError(f"the supervisor logged errors: {loud}")
        self.step("All is well")

    def make_request(self) -> str:
        """Write a key and a CSR; the thumbprint that ends each key authorization comes back."""
        self.step(f"Make a key and a request for {NAME} and {ADDRESS}")
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(NAME), x509.IPAddress(ip_address(ADDRESS))]
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        (self.folder / "request.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / "key.pem").write_bytes(pem)
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.urlsafe_b64encode(hashlib.sha256(spki).digest()).rstrip(b"=").decode()

    @contextmanager
    def supervisor(self) -> Iterator[subprocess.Popen[bytes]]:
        """The running program, ready; it does not outlive the block."""
        command = [*self.program, "run", "--config", str(self.config)]
        with self.log.open("wb") as log:
            process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + SECONDS
            while not (ready := self.event("supervisor.ready")):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise DemoError(f"the supervisor is not ready:\n{self.log.read_text()}")
                time.sleep(0.02)
            self.detail(f"ready after {ready['took']} s: store started, lease taken, recovery done, stages running")
            yield process
        finally:
            process.kill()
            process.wait()

    def event(self, name: str) -> dict[str, Any] | None:
        """The first event of this name in the log."""
        return next((event for event in self.events() if event["event"] == name), None)

    def events(self) -> list[dict[str, Any]]:
        """The log so far. Raises DemoError for a line that is no event."""
        whole = self.log.read_text().rpartition("\n")[0]
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except json.JSONDecodeError:
            raise DemoError(f"a line of the log is no JSON:\n{whole}") from None

    def tell_story(self, session: str) -> None:
        """What happened in each of the four queues, from the record of the session."""
        record = self.retired(session)
        self.step(f"Look at its story (ca-supervisor show {session[:8]})")
        rows: dict[str, list[str]] = {queue: [] for queue in QUEUES}
        queue = "makechallenge"
        for line in (entry["what"] for entry in record["story"] if entry["what"] != "submitted"):
            before, arrow, after = line.partition(" > ")
            queue = before if arrow else queue
            rows[queue].append(line)
            queue = after.partition(":")[0] if arrow else queue
        for challenge in record["challenges"]:
            for attempt in challenge["attempts"]:
                hop = attempt["hops"][-1]
                took = f"{attempt['took']} ms"
                rows["testchallenge"].insert(0, f"{challenge['type']} {hop['target']}: {hop['seen']} ({took})")
        for name, purpose in QUEUES.items():
            self.console.print(Text(f"          {name}  ", "cyan").append(purpose, "dim"))
            for row in rows[name]:
                self.detail(f"  {row}")
        if empty := [name for name, lines in rows.items() if not lines]:
            raise DemoError(f"nothing is on record of {', '.join(empty)}: {record['story']}")
        if f"{NAME} A" not in self.queries or len(self.requests) < len(record["names"]):
            raise DemoError(f"the names were not really tested: {self.queries}, {self.requests}")

    def retired(self, session: str) -> dict[str, Any]:
        """The record of a session that has come to its end."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            record: dict[str, Any] = json.loads(self.ca("show", session, "--json"))
            if not record["live"]:
                return record
        raise DemoError(f"the session is not retired: {record['story']}")

    def order(self, directory: str, web: Path) -> tuple[Path, Path]:
        """Let an ACME client get a certificate; its chain and its key."""
        client = str(Path(__file__).with_name("demo_client.py"))
        root = str(self.folder / "data" / "ca" / "root.pem")
        where = ("--directory", directory, "--root", root, "--web", str(web), "--folder", str(self.folder / "client"))
        got = json.loads(self.call(sys.executable, client, NAME, *where))
        asked = [event for event in self.events() if event["event"] == "acme.request"]
        self.detail(f"{got['client']}, as it is, got it with {len(asked)} requests to {directory}")
        return Path(got["chain"]), Path(got["key"])

    def verify(self, chain: Path, private: Path, names: dict[str, str]) -> None:
        """Check a chain as a client would, and show the certificate."""
        self.step("Check the chain as a client does (openssl verify)")
        root = str(self.folder / "data" / "ca" / "root.pem")
        leaf, *above = x509.load_pem_x509_certificates(chain.read_bytes())
        (self.folder / "above.pem").write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in above))
        for option, name in names.items():
            arguments = ("-CAfile", root, "-untrusted", "above.pem", "-purpose", "sslserver", option, name, str(chain))
            self.detail(f"{name}: {self.call('openssl', 'verify', *arguments).strip()}")
        key = self.call("openssl", "pkey", "-in", str(private), "-pubout")
        if key != self.call("openssl", "x509", "-in", str(chain), "-noout", "-pubkey"):
            raise DemoError("the certificate is for another key")
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.detail("names   " + ", ".join(str(name.value) for name in found))
        self.detail(f"serial  {leaf.serial_number:x}")
        self.detail(
            f"valid   {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} to {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        )
        self.detail(f"issuer  {leaf.issuer.rfc4514_string()}")


def main() -> NoReturn:
    """Run the demo; the exit code says whether all was well."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    installed = Path(sys.executable).with_name("ca-supervisor")
    parser.add_argument("--program", default=str(installed), help="the command to start, with its first arguments")
    parser.add_argument("--quiet", action="store_true", help="speak only when something is off")
    options = parser.parse_args()
    console = Console(highlight=False, quiet=options.quiet)
    program = [str(Path(word).absolute()) if Path(word).exists() else word for word in shlex.split(options.program)]
    with tempfile.TemporaryDirectory(prefix="ca-demo-") as folder:
        try:
            Demo(Path(folder), program, console).run()
        except (DemoError, OSError, subprocess.TimeoutExpired) as error:
            sys.stderr.write(f"error: {error}\n")
            sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
