"""Founding a CA on the command line, checking settings, and saying what is wrong with them."""

from __future__ import annotations

import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from stages.ca.hierarchy import create_intermediate, create_root
from stages.ca.keys import SigningKey, generate, load
from stages.ca.pem import pem
from supervisor.cli import COMMANDS
from tests.e2e.command import ROOT, Place, as_process
from tests.unit.ca.making import random_from


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty directory."""
    return Place(tmp_path)


def certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def test_init_makes_a_ca_that_the_settings_accept(place: Place) -> None:
    """Four files and config.toml, the keys private; check-config finds nothing wrong."""
    files = place.json("init", "--name", "Home", "--permit", "home.example")
    assert files["config"] == str(place.config)
    assert place.config.read_bytes() == (ROOT / "config.toml").read_bytes()
    for what in ("root_key", "intermediate_key"):
        assert stat.S_IMODE(Path(files[what]).stat().st_mode) == 0o600
    root, own = certificate(place.data / "ca/root.pem"), certificate(place.data / "ca/intermediate.pem")
    own.verify_directly_issued_by(root)
    subjects = [made.subject.rfc4514_string() for made in (root, own)]
    assert subjects == ["CN=Home Root", "CN=Home Intermediate"]
    limits = own.extensions.get_extension_for_class(x509.NameConstraints).value
    assert [x509.DNSName("home.example")] == limits.permitted_subtrees
    checked = place.json("check-config")
    assert checked["issuer"] == files["issuer"]
    assert checked["warnings"] == []


def test_init_never_overwrites(place: Place) -> None:
    """The second time it refuses, names the file, and every file is as it was."""
    place.ok("init")
    before = {file: file.read_bytes() for file in (place.data / "ca").iterdir()}
    result = place.call("init")
    assert result.code == 3
    assert result.line.startswith(f"{place.data}/ca/root.key: the file exists already")
    assert before == {file: file.read_bytes() for file in (place.data / "ca").iterdir()}


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["--key-type", "dsa"], 2, "--key-type: "),
        (["--validity", "5"], 2, "--validity: "),
        (["--validity", "9000d"], 3, "validity: the intermediate would outlive its root"),
        (["--key-type", "ml-dsa-65"], 3, "--key-type: ML-DSA signatures are hedged"),
        (["--permit", "*.example"], 3, "name_constraints.permitted[0]: "),
        (["--exclude", "10.0.0.1/8"], 3, "name_constraints.excluded[0]: "),
        (["--name", "x" * 80], 3, "subject: "),
        (["--name", "a\x1b[31m"], 3, "subject: it must be 1 to 64 printable characters"),
        (["--passphrase-file", "/none"], 3, "--passphrase-file: /none cannot be read"),
    ],
)
def test_init_refuses(place: Place, arguments: list[str], code: int, line: str) -> None:
    """A bad option is named, and no key is left behind."""
    result = place.call("init", *arguments)
    assert code == result.code
    assert result.line.startswith(line)
    assert not (place.data / "ca").exists()


def test_keys_are_encrypted_with_their_passphrases(place: Place) -> None:
    """The root's from --passphrase-file, the intermediate's from ca.passphrase_file."""
    for name in ("one", "two"):
        (place.folder / name).write_text(f"{name}-secret\n")
    place.configure('[ca]\npassphrase_file = "one"\n')
    result = place.ok("init", "--passphrase-file", place.folder / "two")
    for name in ("root", "intermediate"):
        assert b"ENCRYPTED" in (place.data / f"ca/{name}.key").read_bytes()
    assert "secret" not in result.out + result.err
    assert place.json("check-config")["issuer"]["id"] == "main"
    (place.folder / "one").write_text("wrong\n")
    assert place.call("check-config").code == 3


def test_intermediate_of_another_root(place: Place) -> None:
    """`init csr` asks, another CA signs, `init accept` takes it once, and the settings accept it."""
    request = x509.load_pem_x509_csr(place.json("init", "csr", "--name", "Branch")["csr"].encode())
    assert request.subject.rfc4514_string() == "CN=Branch Intermediate"
    signed = far_signed(load(place.data / "ca/intermediate.key"))
    (place.folder / "signed.pem").write_text(signed[0])
    (place.folder / "root.pem").write_text(signed[1])
    accepted = place.json("init", "accept", place.folder / "signed.pem", "--chain", place.folder / "root.pem")
    assert place.json("check-config")["issuer"] == accepted["issuer"]
    assert place.call("init", "accept", place.folder / "signed.pem").code == 3


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (lambda: far_signed(generate("p256")), "the certificate is for another key than the private key given"),
        (lambda: ("", ""), "it holds no readable PEM certificate"),
        (lambda: ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ""), "it holds no readable PEM"),
    ],
)
def test_accept_refuses(place: Place, content: Callable[[], tuple[str, str]], why: str) -> None:
    """What another CA did not make for this key is refused, and nothing is written."""
    place.ok("init", "csr", "--out", place.folder / "request.pem")
    (place.folder / "signed.pem").write_text("".join(content()))
    result = place.call("init", "accept", place.folder / "signed.pem")
    assert result.code == 3
    assert result.line.startswith(f"intermediate: {why}")
    assert not (place.data / "ca/intermediate.pem").exists()


def far_signed(key: SigningKey) -> tuple[str, str]:
    """A certificate for the key by another CA, and that CA's root."""
    now, root_key = int(time.time()), generate("p256")
    root = create_root("Far Root", root_key, 10**8, now, random_from(1))
    return pem(create_intermediate("Branch", key, root, root_key, 10**7, now, random_from(2))), pem(root)


def test_every_wrong_setting_is_listed_at_once(place: Place) -> None:
    """One line for each, as text and as JSON, and code 3."""
    place.configure('data_dirr = "x"\n[queues.issue]\nconcurrency = 0\n[ca]\nkey = 7\n')
    result = place.call("check-config")
    keys = [line.split()[0].rstrip(":") for line in result.err.splitlines()[1:]]
    assert (result.code, result.out, sorted(keys)) == (3, "", ["ca.key", "data_dirr", "queues.issue.concurrency"])
    listed = place.call("check-config", "--json").json["error"]["problems"]
    assert sorted(problem["key"] for problem in listed) == sorted(keys)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ("a = [", "is not TOML"),
        ('[ca]\ncertificate = "/dev/null"\n', "/dev/null: it is not a regular file"),
        ('[keys]\nblocked_file = "none"\n', "keys.blocked_file: "),
        ('[ca]\npassphrase_file = "none"\n', ""),
        ('[store]\nurl = "redis://h"\npassword_file = "none"\n', "store.password_file: "),
    ],
)
def test_files_that_settings_name_are_checked(place: Place, settings: str, line: str) -> None:
    """A file that is missing or wrong is found before anything starts."""
    place.ok("init")
    place.configure(settings)
    result = place.call("check-config")
    assert result.code == 3
    assert line in result.err


def test_config_is_found_and_missed(tmp_path: Path) -> None:
    """The environment names a file; without any file the line says where it was looked for."""
    named = {"CA_SUPERVISOR_CONFIG": str(tmp_path / "named.toml")}
    missed = as_process(tmp_path, named, "status")
    assert (missed.code, missed.out) == (3, "")
    assert missed.line == f"{tmp_path}/named.toml: cannot be read: No such file or directory"
    assert "config.toml" in as_process(tmp_path, {}, "status").line
    assert as_process(tmp_path, named, "init", "--json").code == 0
    assert (tmp_path / "named.toml").exists()


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_there(place: Place, command: str) -> None:
    """Every command explains itself, with the options that all have."""
    out = place.ok(*command.split(), "--help").out
    assert "--json" in out
    assert "--config" in out


@pytest.mark.parametrize("arguments", [["bogus"], ["show"], ["status", "--bogus"], ["sessions", "--limit", "0"]])
def test_usage_errors_have_code_2(place: Place, arguments: list[str]) -> None:
    """A wrong command line is one line, and JSON where asked for."""
    result = place.call(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.line
    assert place.call(*arguments, "--json").json["error"]["name"] == "usage"


def test_help_loads_nothing_slow() -> None:
    """`--help` needs neither the settings, nor the store, nor rich."""
    check = (
        "import sys; from supervisor.cli import call; call(['--help']);"
        " print(sorted({'pydantic', 'redis', 'rich', 'cryptography', 'anyio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
