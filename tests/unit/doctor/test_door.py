"""What the doctor makes of the ACME server's settings, name and certificate."""

from __future__ import annotations

import errno
import ipaddress
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from supervisor.config import Settings
from supervisor.doctor import Level
from supervisor.doctor.door import check_door, check_plain, check_tls, covers, judge_host
from supervisor.doctor.finding import Finding
from supervisor.doctor.network import check_listeners, judge_bind

NOW = 1_800_000_000
DAY = 86_400
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


def settings(**acme: Any) -> Settings:
    return Settings.model_validate({"acme": {"listen": "0.0.0.0:443", "url": "https://ca.example.org", **acme}})


def levels(found: list[Finding]) -> dict[str, Level]:
    assert all(each.advice for each in found if each.level is not Level.OK)
    return {each.check: each.level for each in found}


def certificate(*names: str, begins: int = NOW - DAY, ends: int = NOW + 90 * DAY) -> x509.Certificate:
    entries: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .serial_number(1)
        .public_key(KEY.public_key())
        .not_valid_before(datetime.fromtimestamp(begins, UTC))
        .not_valid_after(datetime.fromtimestamp(ends, UTC))
    )
    if entries:
        builder = builder.add_extension(x509.SubjectAlternativeName(entries), critical=True)
    return builder.sign(KEY, hashes.SHA256())


def files(folder: Path, found: x509.Certificate, key: ec.EllipticCurvePrivateKey = KEY) -> Settings:
    """The settings of a server that uses them."""
    (folder / "tls.pem").write_bytes(found.public_bytes(Encoding.PEM))
    (folder / "tls.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return settings(tls="files", tls_certificate=str(folder / "tls.pem"), tls_key=str(folder / "tls.key"))


@pytest.mark.anyio
async def test_no_server_is_one_line() -> None:
    """Who has no ACME server is not asked for anything."""
    assert levels(await check_door(Settings(), NOW)) == {"acme": Level.OK}
    assert levels(check_listeners(Settings(), running=False)) == {"admin.listen": Level.OK}


def test_a_port_that_takes_a_privilege_is_no_error() -> None:
    """The service has none, and is passed its ports; a port that is taken is one."""
    findings = [
        judge_bind(name, "0.0.0.0:443", OSError(number, "why"))
        for name, number in (("held", errno.EACCES), ("taken", errno.EADDRINUSE))
    ]
    assert levels(findings) == {"held": Level.WARNING, "taken": Level.ERROR}


def test_unix_socket_of_the_admin_listener(tmp_path: Path) -> None:
    """Its folder must be there; what a dead process has left is no trouble, a living one and another file are."""

    def found(path: Path) -> str:
        [finding] = check_listeners(Settings.model_validate({"admin": {"listen": f"unix:{path}"}}), running=False)
        return f"{finding.level.value}: {finding.seen}"

    file, name = tmp_path / "file", tmp_path / "admin.sock"
    file.touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(name))
        left_over = found(name)
        listener.listen()
        assert [
            found(tmp_path / "none" / "admin.sock"),
            found(file),
            found(tmp_path / "new.sock"),
            left_over,
            found(name),
        ] == [
            f"error: {tmp_path}/none is no directory that can be written to",
            f"error: {file} is there and is no socket",
            f"ok: unix:{tmp_path}/new.sock is free",
            f"ok: unix:{name} is free",
            f"error: {name} is listened on by another program",
        ]


@pytest.mark.parametrize(
    ("level", "found", "local", "acme"),
    [
        (Level.OK, ["192.0.2.1"], ["192.0.2.1"], {}),
        (Level.OK, ["192.0.2.1", "192.0.2.2"], ["192.0.2.2"], {}),
        (Level.NOTE, ["127.0.1.1"], ["127.0.1.1"], {}),
        (Level.OK, ["127.0.0.1"], ["127.0.0.1"], {"listen": "127.0.0.1:14000"}),
        (Level.WARNING, ["192.0.2.1"], [], {}),
        (Level.NOTE, ["192.0.2.1"], [], {"listen": "127.0.0.1:14000", "tls": "off"}),
    ],
)
def test_host_of_the_url(level: Level, found: list[str], local: list[str], acme: dict[str, str]) -> None:
    """It is this machine, or the proxy before it."""
    assert levels(judge_host(settings(**acme).acme, found, local)) == {"acme.url": level}


@pytest.mark.parametrize(
    ("expected", "names", "host"),
    [
        (True, ["ca.example.org"], "ca.example.org"),
        (True, ["CA.example.org"], "ca.example.org"),
        (True, ["*.example.org"], "ca.example.org"),
        (False, ["*.example.org"], "a.ca.example.org"),
        (False, ["example.org"], "ca.example.org"),
        (True, ["192.0.2.1"], "192.0.2.1"),
        (False, ["192.0.2.1"], "192.0.2.2"),
        (False, [], "ca.example.org"),
    ],
)
def test_certificate_covers_a_host(*, expected: bool, names: list[str], host: str) -> None:
    """By its subject alternative names only."""
    assert expected is covers(certificate(*names), host)


@pytest.mark.parametrize(
    ("level", "begins", "ends"),
    [
        (Level.OK, -DAY, 90 * DAY),
        (Level.WARNING, -80 * DAY, 10 * DAY),
        (Level.OK, -DAY, 2 * DAY),
        (Level.ERROR, -90 * DAY, -1),
        (Level.ERROR, DAY, 90 * DAY),
    ],
)
def test_expiry_of_the_certificate(tmp_path: Path, level: Level, begins: int, ends: int) -> None:
    """A certificate near its end is a warning, a short one only at the end of its short life."""
    made = certificate("ca.example.org", begins=NOW + begins, ends=NOW + ends)
    found = levels(check_tls(files(tmp_path, made), NOW))
    assert found == {"acme.tls": Level.OK, "acme.tls expiry": level}


def test_certificate_for_another_host(tmp_path: Path) -> None:
    """Clients would refuse it."""
    found = levels(check_tls(files(tmp_path, certificate("other.example.org")), NOW))
    assert found["acme.tls names"] is Level.ERROR


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """Another key, no PEM, no file: one error with the reason."""
    made = files(tmp_path, certificate("ca.example.org"), OTHER_KEY)
    (found,) = check_tls(made, NOW)
    assert found.level is Level.ERROR
    assert "the key is not that of the certificate" in found.seen
    for spoil in (lambda: (tmp_path / "tls.key").write_text("no key"), (tmp_path / "tls.key").unlink):
        spoil()
        assert levels(check_tls(made, NOW)) == {"acme.tls": Level.ERROR}


def test_own_certificate_waits_for_an_issuer() -> None:
    """Before `init` there is nobody to make it; behind a proxy there is none."""
    assert levels(check_tls(settings(), NOW)) == {"acme.tls": Level.NOTE}
    assert levels(check_tls(settings(listen="127.0.0.1:14000", tls="off"), NOW)) == {"acme.tls": Level.OK}


def test_crl_is_better_fetched_without_https() -> None:
    """A CRL behind HTTPS is noted."""
    assert levels(check_plain(settings().acme)) == {"acme.http_listen": Level.NOTE}
    assert levels(check_plain(settings(http_listen="0.0.0.0:80").acme)) == {"acme.http_listen": Level.OK}
