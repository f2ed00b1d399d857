"""Checks of the host itself: disk, kernel, clock, versions. For `supervisor.doctor` only."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import ssl
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from supervisor.doctor.finding import Finding, error, note, ok, warning
from supervisor.version import VERSION

APPENDS: Final = 200
"""Appends whose fdatasync is timed, for at most `_MOST_SECONDS`."""
_APPEND: Final = 4096
_MOST_SECONDS: Final = 3.0
_HONEST: Final = 20e-6
"""Seconds below which no device that is known can have a write on its medium."""
_SLOW: Final = 0.02
_MEMORY_TYPES: Final = frozenset({"tmpfs", "ramfs", "rootfs"})
_NETWORK_TYPES: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "fuse.sshfs", "afs"})
_MOST_USED: Final = 0.95
_LITTLE: Final = 1 << 30
_VERY_LITTLE: Final = 100 << 20
_FEW_INODES: Final = 10_000
_FEW_FILES: Final = 1024
_FIRST_YEAR, _LAST_YEAR = 2025, 2100
_CLOCK_SLOPPY: Final = 1_000_000
_TIME_ERROR: Final = 5
_STA_UNSYNC: Final = 0x40


def check_versions() -> list[Finding]:
    """The program, Python and OpenSSL, for a report."""
    from cryptography.hazmat.backends.openssl import backend  # noqa: PLC0415  slow to load, and for this line only

    text = f"ca-supervisor {VERSION}, Python {platform.python_version()}, {backend.openssl_version_text()}"
    if ssl.OPENSSL_VERSION_INFO < (3, 0):
        advice = "OpenSSL 1 gets no more repairs; use a Python that is linked with OpenSSL 3"
        return [warning("versions", f"{text}; Python's ssl module uses {ssl.OPENSSL_VERSION}", advice)]
    return [ok("versions", text)]


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.parents) if place.is_dir())


def check_file_system(folder: Path, mounts: str | None = None) -> list[Finding]:
    """On what kind of file system the store will be."""
    kind = file_system(existing(folder), mounts if mounts is not None else _read("/proc/self/mountinfo"))
    if kind in _MEMORY_TYPES:
        return [warning("file system", f"{folder} is on {kind}: gone at a restart", "put data_dir on a disk")]
    if kind == "overlay":
        advice = "a container's own layer goes with the container: mount a volume at data_dir"
        return [warning("file system", f"{folder} is on an overlay", advice)]
    if kind in _NETWORK_TYPES:
        advice = "locks and fsync over a network are weaker than a disk's; put data_dir on a local disk"
        return [warning("file system", f"{folder} is on {kind}", advice)]
    return [ok("file system", kind or "unknown")]


def file_system(folder: Path, mounts: str) -> str:
    """The type of the file system that holds `folder`; `mounts` as in /proc/self/mountinfo."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        point = fields[4].encode().decode("unicode_escape") if len(fields) > 4 else ""  # noqa: PLR2004  proc(5)
        if point and folder.is_relative_to(point) and len(point) >= best:
            best, kind = len(point), right.split(" ", 1)[0]
    return kind


def check_fsync(folder: Path) -> list[Finding]:
    """How long the disk takes to say that a write is on it; the store waits for that again and again."""
    place = existing(folder)
    try:
        times = time_fsync(place)
    except OSError as failure:
        return [error("fsync", f"{place} cannot be written: {failure.strerror}", "let this user write below data_dir")]
    return judge_fsync(times, file_system(place, _read("/proc/self/mountinfo")))


def time_fsync(folder: Path) -> list[float]:
    """Seconds that fdatasync(2) took after each append of 4 KiB to a new file; the file is gone afterwards."""
    path = folder / f".doctor-{os.getpid()}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    times: list[float] = []
    try:
        end = time.monotonic() + _MOST_SECONDS
        while len(times) < APPENDS and time.monotonic() < end:
            os.write(descriptor, b"\0" * _APPEND)
            began = time.perf_counter()
            os.fdatasync(descriptor)
            times.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return times


def judge_fsync(times: Sequence[float], kind: str) -> list[Finding]:
    """Too fast may be a lie, too slow is felt by every client. `kind` is the file system's type."""
    middle = statistics.median(times)
    last = sorted(times)[int(len(times) * 0.99)]
    seen = f"median {middle * 1e3:.2f} ms, 99 of 100 below {last * 1e3:.2f} ms, of {len(times)} appends of 4 KiB"
    if middle < _HONEST and kind not in _MEMORY_TYPES:
        advice = (
            "no disk is that fast: something (libeatmydata, a virtual disk with cache=unsafe, barriers off) says"
            " written before it is; turn that off, or a power failure may take what clients were told"
        )
        return [warning("fsync", seen, advice)]
    if middle > _SLOW:
        return [warning("fsync", seen, "the store waits for this disk with every group of writes; use a faster one")]
    return [ok("fsync", seen)]


def check_space(folder: Path) -> list[Finding]:
    """Room and inodes where the store will be."""
    found = os.statvfs(existing(folder))
    free, inodes = found.f_bavail * found.f_frsize, found.f_favail
    seen = f"{free / (1 << 30):.1f} GiB free" + (f", {inodes} inodes free" if found.f_files else "")
    if free < _VERY_LITTLE:
        return [error("disk space", seen, "make room: a full disk stops the store, and with it the CA")]
    if found.f_files and inodes < _FEW_INODES:
        return [warning("disk space", seen, "few inodes are left: remove small files")]
    if free < _LITTLE or free < (1 - _MOST_USED) * found.f_blocks * found.f_frsize:
        return [warning("disk space", seen, "make room: the store's file is written anew at twice its size")]
    return [ok("disk space", seen)]


def check_limits() -> list[Finding]:
    """How many files a process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _FEW_FILES:
        advice = "raise it (LimitNOFILE= of systemd, `ulimit -n`): each probe and each client is a file"
        return [warning("open files", f"at most {soft} (hard limit {hard})", advice)]
    return [ok("open files", f"at most {soft}")]


def check_kernel(proc: Path = Path("/proc"), sys_: Path = Path("/sys")) -> list[Finding]:
    """What a Valkey on this host warns about: overcommit, and transparent huge pages."""
    findings = []
    if _read(proc / "sys/vm/overcommit_memory").strip() == "0":
        seen = "vm.overcommit_memory is 0: rewriting the store's file may fail when memory is short"
        findings.append(note("overcommit", seen, "`sysctl vm.overcommit_memory=1`, and in /etc/sysctl.d for good"))
    if "[always]" in _read(sys_ / "kernel/mm/transparent_hugepage/enabled"):
        seen = (
            "transparent huge pages are always on: they cost the store latency and memory while its file is rewritten"
        )
        findings.append(note("huge pages", seen, "write madvise to /sys/kernel/mm/transparent_hugepage/enabled"))
    return findings or [ok("kernel", "overcommit and huge pages are as the store likes them")]


class _Timex(ctypes.Structure):
    """The beginning of struct timex (adjtimex(2)); the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def check_clock(now: int) -> list[Finding]:
    """Whether the year can be true, and whether the kernel says that somebody keeps the clock right."""
    year = time.gmtime(now).tm_year
    if not _FIRST_YEAR <= year < _LAST_YEAR:
        return [error("clock", f"it is the year {year}", "set the clock: validities are taken from it")]
    found = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(found))
    return judge_clock(state, found.status, found.maxerror)


def judge_clock(state: int, status: int, maxerror: int) -> list[Finding]:
    """From what adjtimex(2) answered; `maxerror` is in microseconds."""
    if state < 0:
        return [note("clock", "the kernel does not say whether it is kept right", "make sure that NTP runs")]
    if state == _TIME_ERROR or status & _STA_UNSYNC:
        advice = "run an NTP client (chrony, systemd-timesyncd), or see that the host of this container does"
        return [warning("clock", "the kernel says that nobody keeps it right", advice)]
    if maxerror > _CLOCK_SLOPPY:
        return [warning("clock", f"it may be wrong by {maxerror / 1e6:.1f} s", "look at the NTP client")]
    return [ok("clock", f"kept right, within {maxerror / 1e3:.0f} ms")]


def _read(path: Path | str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def check_platform() -> list[Finding]:
    """The embedded store and the lease's look at other processes need Linux."""
    if sys.platform != "linux":
        return [error("platform", sys.platform, "run it on Linux")]
    return [ok("platform", f"{platform.system()} {platform.release()} {platform.machine()}")]
