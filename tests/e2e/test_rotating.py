"""A new intermediate: made from the root's key, issued with after a restart; what becomes of old certificates."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from anyio import to_thread
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from stages.ca.keys import generate, save
from tests.e2e.acme.acme_site import AcmeSite, acme_site
from tests.e2e.command import Place
from tests.harness.acme_client import renewal_id
from tests.harness.web import Web


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A CA whose root's key has been taken away."""
    made = Place(tmp_path)
    made.ok("init", "--name", "Home", "--permit", "home.example", "--exclude", "10.0.0.0/8")
    (made.data / "ca/root.key").rename(tmp_path / "root.key")
    return made


def certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


@pytest.mark.parametrize("same_key", [False, True])
def test_rotate_makes_the_next_intermediate(place: Place, same_key: bool) -> None:  # noqa: FBT001  a row of the table
    """Same name, same constraints, from the same root; the old files stay, and the config file names the new ones."""
    before = {file.name: file.read_bytes() for file in (place.data / "ca").iterdir()}
    text = place.config.read_text()
    for number in (2, 3):
        made = place.json("rotate", "--root-key", place.folder / "root.key", *(["--same-key"] if same_key else []))
        names = {"ca.certificate": f"ca/intermediate-{number}.pem", "ca.key": f"ca/intermediate-{number}.key"}
        assert made["changed"] == ({"ca.certificate": names["ca.certificate"]} if same_key else names)
        assert place.json("check-config")["issuer"] == made["issuer"]
        new = certificate(place.data / f"ca/intermediate-{number}.pem")
        old, root = certificate(place.data / "ca/intermediate.pem"), certificate(place.data / "ca/root.pem")
        new.verify_directly_issued_by(root)
        assert new.subject == old.subject
        assert new.serial_number != old.serial_number
        assert (new.public_key() == old.public_key()) is same_key
        limits = [each.extensions.get_extension_for_class(x509.NameConstraints).value for each in (old, new)]
        assert limits[0] == limits[1]
    after = {file.name: file.read_bytes() for file in (place.data / "ca").iterdir()}
    assert before == {name: after[name] for name in before}
    differ = [line for line in place.config.read_text().splitlines() if line not in text.splitlines()]
    assert len(differ) == (1 if same_key else 2)


def test_rotate_refuses(place: Place) -> None:
    """Another root's key, no key, a root that ends too soon: nothing is made, nothing is changed."""
    save(place.folder / "other.key", generate("p256"))
    before = sorted((place.data / "ca").iterdir()), place.config.read_text()
    for arguments, line in (
        (("other.key",), "--root-key: the certificate is for another key than the private key given"),
        (("none.key",), f"{place.folder}/none.key: "),
        (("root.key", "--validity", "9000d"), "validity: the intermediate would outlive its root"),
    ):
        result = place.call("rotate", "--root-key", place.folder / arguments[0], *arguments[1:])
        assert (result.code, result.line.startswith(line)) == (3, True), result.err
    assert before == (sorted((place.data / "ca").iterdir()), place.config.read_text())


def found_with_root_key(site: AcmeSite) -> Path:
    """Another CA in the place of the test's, with a root whose key is at hand."""
    for file in (site.folder / "data/ca").iterdir():
        file.unlink()
    Place(site.folder).ok("init")
    key = site.folder / "root.key"
    (site.folder / "data/ca/root.key").rename(key)
    tls = ssl.create_default_context(cafile=site.folder / "data/ca/root.pem")
    site.web = Web(site.listen, tls, f"127.0.0.1:{site.listen}")
    return key


def openssl(folder: Path, *arguments: str) -> str:
    """What openssl says, whatever it thinks of it."""
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


@pytest.mark.anyio
@pytest.mark.parametrize("same_key", [False, True])
async def test_issuing_goes_on_with_the_new_intermediate(tmp_path: Path, same_key: bool) -> None:  # noqa: FBT001  as above
    """Old certificates stay valid, can be renewed by their names and be revoked; new ones come from the new issuer."""
    async with acme_site(tmp_path) as site:
        root_key = found_with_root_key(site)
        with await site.start() as program:
            client = await site.account(patience=10.0)
            old = await client.leaf(await client.issued(site.name()))
            await site.stop(program)
        more = ["--same-key"] if same_key else []
        await to_thread.run_sync(lambda: Place(tmp_path).ok("rotate", "--root-key", root_key, *more))
        with await site.start() as program:
            window = (await client.get(f"{client.urls.renewal_info}/{renewal_id(old)}")).json["suggestedWindow"]
            assert window["start"] < window["end"]
            found = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            [name] = found.get_values_for_type(x509.DNSName)
            new = await client.leaf(await client.issued(name, replaces=renewal_id(old)))
            new.verify_directly_issued_by(certificate(tmp_path / "data/ca/intermediate-2.pem"))
            assert (await client.revoke(old)).status == 200
            await site.stop(program)
    crl = x509.load_pem_x509_crl((tmp_path / "data/ca/crl.pem").read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(old.serial_number) is not None
    for file, leaf in (("old.pem", old), ("new.pem", new)):
        (tmp_path / file).write_bytes(leaf.public_bytes(Encoding.PEM))
    ca = tmp_path / "data/ca"
    (tmp_path / "both.pem").write_bytes(
        (ca / "intermediate.pem").read_bytes() + (ca / "intermediate-2.pem").read_bytes()
    )
    base = ("verify", "-CAfile", "data/ca/root.pem", "-untrusted", "both.pem")
    assert [openssl(tmp_path, *base, file) for file in ("old.pem", "new.pem")] == ["old.pem: OK\n", "new.pem: OK\n"]
    checked = (*base, "-crl_check", "-extended_crl", "-CRLfile", "data/ca/crl.pem")
    assert openssl(tmp_path, *checked, "new.pem") == "new.pem: OK\n"
    assert "certificate revoked" in openssl(tmp_path, *checked, "old.pem")
    plain = openssl(tmp_path, *base, "-crl_check", "-CRLfile", "data/ca/crl.pem", "old.pem")
    assert ("certificate revoked" if same_key else "unable to get certificate CRL") in plain  # as the page says
