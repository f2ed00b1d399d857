"""The commands of docs/operators do what the pages say, run as they stand there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.e2e.operators.host import PAGES, Host, blocks, host
from tests.harness.process import ROOT
from tests.harness.valkey import Valkey


def certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def ask(made: Host, command: str) -> Any:
    """The document of a command with --json."""
    out = made.run(f"set +x\nca-supervisor {command} --json\n")
    return json.loads(out[out.index("{") :])


def asked_for(made: Host) -> str:
    """A session that waits for its proof; its id."""
    made.run(
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -subj /CN=a.example"
        " -addext subjectAltName=DNS:a.example -out leaf.csr\n"
    )
    session: str = ask(made, "submit leaf.csr")["session"]
    return session


def test_install(tmp_path: Path) -> None:
    """The first looks and the first backup."""
    with host(tmp_path / "h") as made:
        assert "alive" in made.run(blocks("install.md")[0])
        assert (made.folder / "backups/first.tar.gz").stat().st_mode & 0o777 == 0o600


def test_tune(tmp_path: Path) -> None:
    """On an idle host nothing is advised, nothing is written, and nothing is reloaded."""
    with host(tmp_path / "h") as made:
        before = made.config.read_text()
        out = made.run(blocks("tune.md")[0])
        assert out.count("too little was measured: 0 attempts") == 8
        assert "a reload would change nothing" in out
        assert before == made.config.read_text()


def test_rotate_the_intermediate(tmp_path: Path) -> None:
    """After it another key issues, from the same root, whose key has been on the host for no longer than that."""
    with host(tmp_path / "h") as made:
        (made.data / "ca/root.key").rename(made.folder / "media/root/root.key")
        session = asked_for(made)
        before = ask(made, "check-config")["issuer"]
        made.run(blocks("rotate-the-intermediate.md")[0])
        after = ask(made, "check-config")["issuer"]
        assert before["subject"] == after["subject"]
        assert before["spki_sha256"] != after["spki_sha256"]
        certificate(made.data / "ca/intermediate-2.pem").verify_directly_issued_by(
            certificate(made.data / "ca/root.pem")
        )
        assert not (made.data / "ca/root.key").exists()
        assert [each["session"] for each in ask(made, "sessions")["sessions"]] == [session]
        certificate_text = made.run(
            "ca-supervisor crl --write\nopenssl crl -in /var/lib/ca-supervisor/ca/crl.pem -text\n"
        )
        key = certificate(made.data / "ca/intermediate-2.pem").extensions.get_extension_for_class(
            x509.SubjectKeyIdentifier
        )
        assert ":".join(f"{byte:02X}" for byte in key.value.digest) in certificate_text


def test_take_the_root_offline(tmp_path: Path) -> None:
    """Its key is on two media and not on the host, which goes on as before."""
    with host(tmp_path / "h") as made:
        key = (made.data / "ca/root.key").read_bytes()
        made.run(blocks("take-the-root-offline.md")[0])
        assert not (made.data / "ca/root.key").exists()
        for medium in ("root-1", "root-2"):
            assert (made.folder / "media" / medium / "root.key").read_bytes() == key
        made.run("systemctl restart ca-supervisor\nca-supervisor status\n")


def test_own_issuer(tmp_path: Path) -> None:
    """Another CA signs the intermediate, and the program issues with it."""
    with host(tmp_path / "h", founded=False) as made:
        made.run(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout company-root.key -subj"
            " /CN=Company -days 3650 -addext basicConstraints=critical,CA:TRUE -addext"
            " keyUsage=critical,keyCertSign,cRLSign -out company-root.pem\n"
        )
        made.run("\n".join(blocks("own-issuer.md")))
        assert ask(made, "check-config")["issuer"]["subject"] == "CN=Branch Intermediate"
        made.run("systemctl start ca-supervisor\nca-supervisor status\n")


def test_recover(tmp_path: Path) -> None:
    """A restored CA has the sessions of the backup, and not those that came after it."""
    with host(tmp_path / "h") as made:
        before = asked_for(made)
        made.run("ca-supervisor backup /backups/ca.tar.gz\n")
        asked_for(made)
        made.run(blocks("recover.md")[0])
        assert [each["session"] for each in ask(made, "sessions")["sessions"]] == [before]
        assert (made.folder / "lib.lost").is_dir()


def test_upgrade(tmp_path: Path) -> None:
    """Nothing is lost on the way, and the backup is there and whole."""
    with host(tmp_path / "h") as made:
        session = asked_for(made)
        made.run(blocks("upgrade.md")[0])
        assert [each["session"] for each in ask(made, "sessions")["sessions"]] == [session]


def test_store_elsewhere(tmp_path: Path) -> None:
    """Everything that was in the embedded store is in the other one, and nothing is in the old place."""
    with Valkey(tmp_path / "valkey") as server, host(tmp_path / "h") as made:
        session = asked_for(made)
        text = made.config.read_text() + f'[store]\nurl = "{server.url}"\n'
        (made.folder / "etc/new.toml").write_text(text)
        made.run(blocks("store-elsewhere.md")[0])
        assert [each["session"] for each in ask(made, "sessions")["sessions"]] == [session]
        assert server.url in ask(made, "status")["store"]["url"]
        assert not (made.data / "store").exists()


@pytest.mark.parametrize("page", sorted(each.name for each in PAGES.iterdir()))
def test_page_is_linked_and_its_links_lead_somewhere(page: str) -> None:
    """The map of the documentation has every page; links lead to files and headings that are there."""
    assert f"operators/{page}" in (ROOT / "docs/README.md").read_text()
    for target, _, anchor in (link.partition("#") for link in re.findall(r"\]\(([^)]+)\)", (PAGES / page).read_text())):
        file = (PAGES / target).resolve() if target else PAGES / page
        assert file.is_file(), target
        headings = [line.lstrip("# ").lower() for line in file.read_text().splitlines() if line.startswith("#")]
        found = {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in found, f"{target}#{anchor}"


def test_every_block_of_commands_is_tried() -> None:
    """Each page with such blocks has a test above, which runs all of them."""
    counts = {page.name: len(blocks(page.name)) for page in PAGES.iterdir() if blocks(page.name)}
    assert counts == {
        "install.md": 1,
        "own-issuer.md": 3,
        "recover.md": 1,
        "rotate-the-intermediate.md": 1,
        "store-elsewhere.md": 1,
        "take-the-root-offline.md": 1,
        "tune.md": 1,
        "upgrade.md": 1,
    }
