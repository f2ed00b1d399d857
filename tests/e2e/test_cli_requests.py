"""Requests and sessions on the command line, without a supervisor: what is refused, what is put on record and shown."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.e2e.command import PROGRAM, ROOT, Place
from tests.unit.ca.making import make_csr, raw_csr, to_pem

SETTINGS = """
[names]
deny_domains = ["secret.example"]
allow_ips = ["10.0.0.0/8"]
max_names = 3
[keys]
allowed = ["p256"]
[challenges]
types = ["http-01", "tls-alpn-01"]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A CA whose store runs, with some rules."""
    place = Place(tmp_path_factory.mktemp("ca"))
    place.configure(SETTINGS)
    place.ok("init", "--exclude", "closed.example")
    with place.store():
        yield place


def submit(place: Place, csr: bytes | str) -> str:
    (place.folder / "good.csr").write_bytes(csr.encode() if isinstance(csr, str) else csr)
    return str(place.json("submit", place.folder / "good.csr")["session"])


CA = x509.BasicConstraints(ca=True, path_length=None)
WEAK = partial(rsa.generate_private_key, 65537, 1024)
CUT = make_csr()[:-20]
TAMPERED = make_csr().replace(b"a.example", b"b.example")

BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "csr: the request is empty"),
    "text": (lambda: b"hello\x1b[31m", "csr: it is neither DER nor exactly one PEM block"),
    "binary": (lambda: bytes(range(256)), "csr: it is neither DER nor exactly one PEM block"),
    "cut": (lambda: CUT, "csr: the request is not the DER of a PKCS #10 request"),
    "too large": (lambda: b"0" * 70_000, "csr: the request is larger than 65536 bytes"),
    "two": (lambda: 2 * to_pem(make_csr()).encode(), "csr: there is more than one PEM block"),
    "certificate": (lambda: to_pem(make_csr(), "CERTIFICATE").encode(), "csr: it is neither DER nor"),
    "private key": (lambda: to_pem(make_csr(), "PRIVATE KEY").encode(), "csr: it is neither DER nor"),
    "tampered": (lambda: TAMPERED, "signature: the request is not signed by its own key"),
    "no names": (lambda: make_csr([]), "subjectAltName: there is none"),
    "CA": (lambda: make_csr(extensions=[CA]), "basicConstraints: a CA certificate is asked for"),
    "common name": (lambda: make_csr(common_names=["other.example"]), "common name: it is not one of the names"),
    "version": (lambda: raw_csr(version=1), "version: "),
    "weak key": (lambda: make_csr(signer=WEAK()), "public key: "),
    "other key type": (lambda: make_csr(signer=ec.generate_private_key(ec.SECP384R1())), "public key: "),
    "too many names": (lambda: make_csr([f"{n}.example" for n in range(4)]), "names: 4 names are asked for"),
    "denied": (lambda: make_csr(["www.secret.example"]), "www.secret.example: denied by names.deny_domains"),
    "address": (lambda: make_csr(["192.0.2.1"]), "192.0.2.1: not covered by any entry of names.allow_ips"),
    "constrained": (lambda: make_csr(["closed.example"]), "closed.example: outside the name constraints"),
    "unprovable": (lambda: make_csr(["*.a.example"]), "*.a.example: no challenge type of challenges.types"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_request_has_code_4_and_one_line(place: Place, case: str) -> None:
    """It costs its sender only: a line with the field, nothing on record, nothing harmful printed."""
    make, line = BAD[case]
    file = place.folder / "bad.csr"
    file.write_bytes(make())
    before = place.json("status")["totals"]
    result = place.call("submit", file)
    assert (result.code, result.out) == (4, "")
    assert result.line.startswith(line)
    assert result.line.isprintable()
    found = place.call("submit", "--json", file)
    assert (4, f"{found.json['error']['field']}: {found.json['error']['reason']}") == (found.code, result.line)
    assert before == place.json("status")["totals"]


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["/none"], 4, "csr: /none cannot be read: No such file or directory"),
        (["/dev"], 4, "csr: /dev cannot be read: Is a directory"),
        (["{good}", "--profile", "x\x1b"], 4, "profile: there is no such profile in the settings; there are: default"),
        (["{good}", "--out", "x"], 2, "ca-supervisor submit: --timeout and --out belong to --wait"),
        (["{good}", "--wait", "--timeout", "1"], 2, "--timeout: "),
    ],
)
def test_submit_refuses_its_arguments(place: Place, arguments: list[str], code: int, line: str) -> None:
    """A file that cannot be read, a profile that is not there, options that do not go together."""
    good = place.folder / "fine.csr"
    good.write_bytes(make_csr())
    result = place.call("submit", *(argument.format(good=good) for argument in arguments))
    assert code == result.code
    assert result.line.startswith(line)


@pytest.mark.parametrize("encode", [bytes, to_pem])
def test_request_is_put_on_record(place: Place, encode: Callable[[bytes], bytes | str]) -> None:
    """PEM and DER become the same session, which waits for a supervisor; its names and story are shown."""
    session = submit(place, encode(make_csr(["b.example", "10.1.2.3"])))
    shown = place.json("show", session[:20])
    assert (session, ["b.example", "10.1.2.3"], True) == (shown["id"], shown["names"], shown["live"])
    assert (shown["state"], shown["scheduled"], len(shown["thumbprint"])) == ("makechallenge", True, 43)
    assert [move["what"] for move in shown["story"]] == ["submitted"]
    assert session in [each["session"] for each in place.json("sessions")["sessions"]]
    result = place.ok("submit", place.folder / "good.csr")
    assert "no supervisor is running: the session waits until one does" in result.err


def test_cancelled_session_is_dead_and_still_shown(place: Place) -> None:
    """It leaves the list, stays among the dead with its reason, and cannot be cancelled again."""
    session = submit(place, make_csr())
    assert place.ok("cancel", session[:16], "--reason", "a mistake").out == f"session {session}: cancelled\n"
    assert session not in [each["session"] for each in place.json("sessions")["sessions"]]
    dead = {each["session"]: each for each in place.json("sessions", "--dead")["sessions"]}
    assert dead[session]["error"]["detail"] == "a mistake"
    assert place.call("cancel", session).line == f"session {session}: it is finished or rejected already"
    assert (7, f"session {session}: a mistake") == (
        (result := place.call("wait", session)).code,
        result.line,
    )
    assert place.call("thanks", session).code == 4


@pytest.mark.parametrize("command", ["show", "cancel", "thanks", "wait"])
@pytest.mark.parametrize(("session", "code"), [("f" * 64, 9), ("0" * 63, 9), ("*", 4), ("xyz", 4), ("a" * 65, 4)])
def test_session_that_is_not_there(place: Place, command: str, session: str, code: int) -> None:
    """Unknown ids have code 9, what is no id has code 4."""
    assert code == place.call(command, session).code


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["certificates", "export", "ab"], 9),
        (["certificates", "export", "zz"], 4),
        (["certificates", "--name", "a b"], 4),
        (["revoke", "ab"], 9),
        (["revoke", "ab", "--reason", "certificateHold"], 4),
        (["revoke", "ab", "--reason", "7"], 4),
        (["revoke", "no"], 4),
        (["cancel", "ab", "--reason", ""], 4),
        (["cancel", "ab", "--reason", "a\x1bb"], 4),
    ],
)
def test_bad_arguments_have_their_codes(place: Place, arguments: list[str], code: int) -> None:
    """One line, and the same as JSON."""
    result = place.call(*arguments)
    assert code == result.code
    assert result.line.isprintable()
    assert code == place.call(*arguments, "--json").json["error"]["code"]


@pytest.mark.parametrize(
    "command", ["status", "sessions", "quarantine", "certificates", "check-config", "recover --dry-run"]
)
def test_json_is_one_document(place: Place, command: str) -> None:
    """Standard output holds one JSON object in ASCII."""
    out = place.ok(*command.split(), "--json").out
    assert isinstance(json.loads(out), dict)
    assert out.isascii()


def test_wait_ends_with_its_time(place: Place) -> None:
    """Nobody works on the session: code 8, and it goes on."""
    session = submit(place, make_csr())
    result = place.call("wait", session, "--timeout", "1s", "--json")
    assert (result.code, result.json["error"]["name"]) == (8, "timed_out")
    assert place.json("show", session)["live"] is True


def test_recover_refuses_while_another_owns_the_store(place: Place) -> None:
    """It needs the store for itself, and says who has it; the dry run does not."""
    result = place.call("recover")
    assert result.code == 6
    assert "is in use by process" in result.line
    assert place.json("recover", "--dry-run")["changed"] == 0


def test_crl_is_written_with_rising_numbers(place: Place) -> None:
    """There is none at first; then each one has a higher number; a file that is no CRL is not replaced."""
    assert place.call("crl").code == 9
    numbers = [place.json("crl", "--write")["number"] for _ in range(2)]
    assert numbers == [1, 2]
    file = place.data / "ca/crl.pem"
    file.write_text("not a CRL")
    result = place.call("crl", "--write")
    assert (3, f"{file}: it is no readable CRL with a number; move it away") == (result.code, result.line)
    file.unlink()
    assert place.json("crl", "--write")["number"] == 3


def test_unreachable_store_has_code_5(tmp_path: Path) -> None:
    """A remote store that is not there is named in one line."""
    place = Place(tmp_path)
    place.configure('[store]\nurl = "redis://127.0.0.1:1"\n')
    result = place.call("status")
    assert (result.code, result.out) == (5, "")
    assert result.line.startswith("store: ConnectionError")


def test_commands_side_by_side_without_a_supervisor(tmp_path: Path) -> None:
    """Each starts the store for its moment or uses another's; every session is on record."""
    place = Place(tmp_path)
    place.ok("init")
    (tmp_path / "csr").write_bytes(make_csr())
    command = [*PROGRAM, "--config", str(place.config), "submit", "--json", str(tmp_path / "csr")]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    sessions = {json.loads(process.communicate(timeout=60)[0])["session"] for process in running}
    assert sessions == {each["session"] for each in place.json("sessions")["sessions"]}
    assert len(sessions) == 4
    assert place.json("recover")["found"] == {"where it belongs": 4}
