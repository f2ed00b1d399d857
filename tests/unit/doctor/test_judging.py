"""What the doctor makes of what it sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from supervisor.config import Settings
from supervisor.doctor import Level
from supervisor.doctor.authority import check_crl, check_issuer
from supervisor.doctor.files import check_data_dir, check_keys, check_root_key
from supervisor.doctor.finding import Finding
from supervisor.doctor.host import (
    check_clock,
    check_file_system,
    check_fsync,
    check_kernel,
    file_system,
    judge_clock,
    judge_fsync,
)
from supervisor.doctor.network import check_validation_ports
from supervisor.doctor.store import judge_server

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:5 / /run rw - tmpfs tmpfs rw
24 22 0:6 / /srv/my\\040disk rw shared:1 - nfs4 host:/x rw
25 22 0:7 / /srv/box rw - overlay overlay rw
"""
INFO = {"aof_enabled": 1, "maxmemory_policy": "noeviction", "used_memory": 1 << 20, "maxmemory": 0, "role": "master"}


def levels(found: list[Finding]) -> list[Level]:
    return [each.level for each in found]


@pytest.mark.parametrize(
    ("folder", "kind", "level"),
    [
        ("/var/lib/ca", "ext4", Level.OK),
        ("/run", "tmpfs", Level.WARNING),
        ("/runs", "ext4", Level.OK),
        ("/srv/my disk/ca", "nfs4", Level.WARNING),
        ("/srv/box", "overlay", Level.WARNING),
    ],
)
def test_file_system_of_a_folder(folder: str, kind: str, level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mount with the longest matching path decides."""
    assert file_system(Path(folder), MOUNTS) == kind
    monkeypatch.setattr("supervisor.doctor.host.existing", lambda place: place)
    assert levels(check_file_system(Path(folder), MOUNTS)) == [level]


@pytest.mark.parametrize(
    ("seconds", "kind", "level"),
    [
        (5e-6, "ext4", Level.WARNING),
        (5e-6, "tmpfs", Level.OK),
        (4e-4, "ext4", Level.OK),
        (0.05, "ext4", Level.WARNING),
    ],
)
def test_fsync_latency(seconds: float, kind: str, level: Level) -> None:
    """Too fast on a disk is suspicious, too slow is felt."""
    assert levels(judge_fsync([seconds] * 100, kind)) == [level]


def test_fsync_is_measured_and_leaves_nothing(tmp_path: Path) -> None:
    """One finding with the figures; a folder that is not there yet is measured above it."""
    (found,) = check_fsync(tmp_path / "data")
    assert "of 200 appends" in found.seen
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("state", "status", "maxerror", "level"),
    [
        (0, 0, 5_000, Level.OK),
        (5, 0, 5_000, Level.WARNING),
        (0, 0x40, 5_000, Level.WARNING),
        (0, 0, 2_000_000, Level.WARNING),
        (-1, 0, 0, Level.NOTE),
    ],
)
def test_clock_as_the_kernel_says(state: int, status: int, maxerror: int, level: Level) -> None:
    """Synchronised, not synchronised, far off, not told."""
    assert levels(judge_clock(state, status, maxerror)) == [level]


def test_clock_of_another_age() -> None:
    """1970 is an error whatever NTP says."""
    assert levels(check_clock(0)) == [Level.ERROR]


def test_kernel_settings(tmp_path: Path) -> None:
    """Overcommit and huge pages are noted as Valkey warns of them."""
    for file, text in (
        ("sys/vm/overcommit_memory", "0\n"),
        ("kernel/mm/transparent_hugepage/enabled", "[always] never"),
    ):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text(text)
    assert levels(check_kernel(tmp_path, tmp_path)) == [Level.NOTE, Level.NOTE]
    assert levels(check_kernel(tmp_path / "none", tmp_path / "none")) == [Level.OK]


@pytest.mark.parametrize(
    ("change", "appendfsync", "has_waitaof", "bad"),
    [
        ({}, "always", False, []),
        ({}, "everysec", True, []),
        ({}, "everysec", False, ["store durability"]),
        ({"aof_enabled": 0}, "always", True, ["store durability"]),
        ({"aof_last_write_status": "err"}, "always", True, ["store durability"]),
        ({"maxmemory_policy": "allkeys-lru"}, "always", True, ["store memory"]),
        ({"maxmemory": 1 << 20}, "always", True, ["store memory"]),
        ({"role": "slave"}, "always", True, ["store role"]),
    ],
)
def test_server(change: dict[str, Any], appendfsync: str, has_waitaof: bool, bad: list[str]) -> None:  # noqa: FBT001  a table
    """Each missing thing is an error or a warning, and nothing else is."""
    found = judge_server(INFO | change, appendfsync, has_waitaof=has_waitaof)
    assert [each.check for each in found if each.level in {Level.ERROR, Level.WARNING}] == bad
    assert all(each.advice for each in found if each.level is not Level.OK)


def test_files_and_modes(tmp_path: Path) -> None:
    """A directory for others is a warning, one that they write to an error; a key for others is an error."""
    settings = Settings().model_copy(update={"data_dir": tmp_path / "data"})
    settings = settings.model_copy(update={"ca": settings.ca.model_copy(update={"key": tmp_path / "data/key"})})
    assert levels(check_data_dir(settings)) == [Level.NOTE]
    assert levels(check_keys(settings)) == [Level.ERROR]
    settings.data_dir.mkdir()
    settings.ca.key.write_text("key")
    for mode, expected in ((0o700, Level.OK), (0o755, Level.WARNING), (0o777, Level.ERROR)):
        settings.data_dir.chmod(mode)
        assert levels(check_data_dir(settings)) == [expected]
    for mode, expected in ((0o600, Level.OK), (0o640, Level.ERROR)):
        settings.ca.key.chmod(mode)
        assert levels(check_keys(settings)) == [expected]
    assert levels(check_root_key(settings)) == [Level.OK]


def test_before_init(tmp_path: Path) -> None:
    """Without a CA the issuer is an error that names init, and the missing CRL is only noted."""
    settings = Settings()
    table = settings.ca.model_copy(update={"certificate": tmp_path / "none"})
    crl = settings.crl.model_copy(update={"file": tmp_path / "none"})
    settings = settings.model_copy(update={"ca": table, "crl": crl})
    (found,) = check_issuer(settings, 1_800_000_000)
    assert found.level is Level.ERROR
    assert "init" in found.advice
    assert levels(check_crl(settings, 1_800_000_000)) == [Level.NOTE]
    (tmp_path / "none").write_text("no CRL")
    assert levels(check_crl(settings, 1_800_000_000)) == [Level.ERROR]


def test_validation_ports() -> None:
    """Other ports are noted."""
    settings = Settings()
    assert levels(check_validation_ports(settings)) == [Level.OK]
    table = settings.validation.model_copy(update={"http_port": 8080})
    odd = settings.model_copy(update={"validation": table})
    assert levels(check_validation_ports(odd)) == [Level.NOTE]
