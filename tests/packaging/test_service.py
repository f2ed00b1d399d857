"""The service for real: the package installed on a Debian that is booted, with systemd as its first process.

The tests share one machine; each leaves the service running.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.packaging import debian
from tests.packaging.conftest import ROOT
from tests.packaging.machine import PACKAGES, Machine, booted
from tests.packaging.package import CONFIG, DATA, NAME, build, install, newer

URL = "https://ca.example.internal/acme/directory"
SERVICE = f"{NAME}.service"
CREDENTIAL = "LoadCredential=passphrase:/etc/ca-supervisor/passphrase"
INIT = (
    f"systemd-run --quiet --pipe --wait -p User={NAME} -p {CREDENTIAL} sh -c"
    " 'CA_SUPERVISOR__CA__PASSPHRASE_FILE=$CREDENTIALS_DIRECTORY/passphrase ca-supervisor init --name Example'"
)


@pytest.fixture(scope="module")
def package(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as built."""
    return build(binary, tmp_path_factory.mktemp("deb") / "out")


@pytest.fixture(scope="module")
def machine(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine whose CA has a passphrase that is a credential, and whose service was enabled and started."""
    folder = tmp_path_factory.mktemp("machine")
    root = debian.copy(debian.bare(ROOT / "build", "systemd", PACKAGES), folder / "debian")
    install(root, package)
    (root.path / "usr/sbin/policy-rc.d").unlink()
    (root.path / "etc/hosts").write_text("127.0.0.1 localhost ca.example.internal\n")
    with (root.path / CONFIG.lstrip("/")).open("a") as config:
        config.write(f'[ca]\npassphrase_file = "/run/credentials/{SERVICE}/passphrase"\n')
    secret = root.path / "etc" / NAME / "passphrase"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    with booted(root, folder / "console") as up:
        up.sh(INIT)
        drop_in(up, "credential", CREDENTIAL)
        up.run("systemctl", "enable", "--now", NAME)
        yield up
        up.run("systemctl", "stop", f"{NAME}.socket", f"{NAME}-http.socket", SERVICE)
        assert up.show(SERVICE, "Result") == "success"
    shutil.rmtree(root.path)


def drop_in(machine: Machine, name: str, *lines: str) -> None:
    """Say more about the service, as `systemctl edit` does; without lines it is taken back."""
    file = machine.root.path / "etc/systemd/system" / f"{SERVICE}.d" / f"{name}.conf"
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(("[Service]", *lines, "")))
    machine.run("systemctl", "daemon-reload")


@contextmanager
def asked(machine: Machine) -> Iterator[None]:
    """One request after the other meanwhile, each on a connection of its own: every one is answered."""
    curl = f"curl -sS --fail --max-time 20 --cacert /root/root.pem -o /dev/null {URL}"
    script = f"cp {DATA}/ca/root.pem /root; n=0; while [ ! -e /root/over ]; do {curl}; n=$((n+1)); done; echo $n"
    with subprocess.Popen(
        machine.command("sh", "-euc", script), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as client:
        try:
            yield
        finally:
            machine.run("touch", "/root/over")
            said, errors = client.communicate(timeout=60)
            machine.run("rm", "/root/over")
    assert (client.returncode, errors) == (0, "")
    assert int(said) > 0


def restarts(machine: Machine) -> int:
    """How often the service was started again by systemd."""
    return int(machine.show(SERVICE, "NRestarts"))


def test_service_is_ready_without_any_privilege(machine: Machine) -> None:
    """No capability, no way to one, a filter of system calls; the store's server has no more."""
    assert machine.show(SERVICE, "StatusText") == "ready"
    main = machine.show(SERVICE, "MainPID")
    processes = [main, *machine.run("cat", f"/proc/{main}/task/{main}/children").split()]
    assert len(processes) == 2
    for process in processes:
        status = machine.run("cat", f"/proc/{process}/status")
        for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert re.search(rf"^{name}:\s0+$", status, re.MULTILINE), status
        assert re.search(r"^NoNewPrivs:\s1$", status, re.MULTILINE)
        assert re.search(r"^Seccomp:\s2$", status, re.MULTILINE)


def test_key_is_opened_by_the_credential(machine: Machine) -> None:
    """The key is encrypted; commands of the service's user find the passphrase where the service does."""
    assert machine.run("head", "-1", f"{DATA}/ca/intermediate.key") == "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    assert "CRL" in machine.run("runuser", "-u", NAME, "--", NAME, "crl", "--write")


def test_restarts_refuse_no_request(machine: Machine) -> None:
    """`systemctl restart`, three times, while a client asks."""
    with asked(machine):
        for _ in range(3):
            machine.run("systemctl", "restart", SERVICE)


def test_upgrade_refuses_no_request(machine: Machine, package: Path, tmp_path: Path) -> None:
    """A newer package is put in place, and what runs is the new process, while a client asks."""
    shutil.copy(newer(package, tmp_path), machine.root.path / "root" / "newer.deb")
    before = machine.show(SERVICE, "MainPID")
    with asked(machine):
        machine.run("dpkg", "--install", "/root/newer.deb")
    assert machine.show(SERVICE, "MainPID") != before
    assert machine.show(SERVICE, "StatusText") == "ready"


def test_reload_waits_for_the_answer(machine: Machine) -> None:
    """A good file is taken; a file with a mistake fails the reload and changes nothing."""
    machine.run("systemctl", "reload", SERVICE)
    machine.sh(f"cp {CONFIG} /root/good; echo 'nonsense = 1' > {CONFIG}")
    machine.run("systemctl", "reload", SERVICE, code=1)
    assert machine.show(SERVICE, "ActiveState") == "active"
    machine.sh(f"cp /root/good {CONFIG}")
    machine.run("systemctl", "reload", SERVICE)
    assert restarts(machine) == 0


def test_a_program_that_stands_still_is_started_again(machine: Machine) -> None:
    """The watchdog of systemd hears nothing of it; after the end it is started anew, and answers."""
    drop_in(machine, "watchdog", "WatchdogSec=2")
    machine.run("systemctl", "restart", SERVICE)
    with asked(machine):
        machine.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", SERVICE)
        machine.until(SERVICE, "NRestarts", "1")
        machine.until(SERVICE, "StatusText", "ready")
    assert "Watchdog timeout" in machine.run("journalctl", "--output=cat", f"--unit={SERVICE}")
    drop_in(machine, "watchdog")
    machine.run("systemctl", "restart", SERVICE)


def test_a_stopped_service_is_started_by_whoever_connects(machine: Machine) -> None:
    """The sockets still listen; the client waits for the start and is answered."""
    machine.run("systemctl", "stop", SERVICE)
    with asked(machine):
        machine.until(SERVICE, "StatusText", "ready")


def test_backup_is_made_under_its_own_unit(machine: Machine) -> None:
    """Beside the running service, verified, for the CA's user only; its timer can be enabled."""
    machine.run("systemctl", "start", f"{NAME}-backup.service")
    [backup] = machine.run("find", "/var/backups/ca-supervisor", "-name", "ca-*.tar.gz").split()
    assert machine.run("stat", "--format=%U %a", backup) == f"{NAME} 600\n"
    machine.run("systemctl", "enable", "--now", f"{NAME}-backup.timer")
    assert machine.show(f"{NAME}-backup.timer", "ActiveState") == "active"


def test_log_has_no_error(machine: Machine) -> None:
    """But for the file that was refused on purpose."""
    logged = machine.run("journalctl", "--output=cat", f"--unit={SERVICE}")
    errors = [line for line in logged.splitlines() if '"level":"error"' in line]
    assert [error for error in errors if "config.refused" not in error] == []
