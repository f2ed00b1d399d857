"""Checks of modes and owners below data_dir. For `supervisor.doctor` only."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from supervisor.config import Settings
from supervisor.doctor.finding import Finding, error, note, ok, warning

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def check_data_dir(settings: Settings) -> list[Finding]:
    """The directory that everything is in must be this user's alone."""
    folder = settings.data_dir
    try:
        found = folder.stat()
    except FileNotFoundError:
        return [note("data_dir", f"{folder} is not there yet", "`ca-supervisor init` makes it")]
    except OSError as failure:
        return [error("data_dir", f"{folder} cannot be looked at: {failure.strerror}", "look at the folders above it")]
    if not stat.S_ISDIR(found.st_mode):
        return [error("data_dir", f"{folder} is no directory", "move it away, or name another one")]
    if found.st_uid != os.geteuid():
        return [_stranger("data_dir", folder, found.st_uid)]
    if mode := stat.S_IMODE(found.st_mode) & _OTHERS:
        level = error if mode & _OTHERS_WRITE else warning
        return [level("data_dir", f"{folder} has mode {stat.S_IMODE(found.st_mode):04o}", f"chmod 700 {folder}")]
    return [ok("data_dir", f"{folder}, mode 0700")]


def check_keys(settings: Settings) -> list[Finding]:
    """Private keys and passphrases must be readable by this user, and by nobody else."""
    wanted = {
        "ca.key": settings.ca.key,
        "ca.passphrase_file": settings.ca.passphrase_file,
        "store.password_file": settings.store.password_file,
        "acme.tls_key": settings.acme.tls_key,
        "admin.token_file": settings.admin.token_file,
    }
    return [finding for name, file in wanted.items() if file is not None for finding in _private(name, file)]


def _private(name: str, file: Path) -> list[Finding]:
    try:
        found = file.stat()
    except FileNotFoundError:
        return [error(name, f"{file} is not there", "`ca-supervisor init` makes a CA; or name the right file")]
    except OSError as failure:
        return [error(name, f"{file} cannot be looked at: {failure.strerror}", "look at the folders above it")]
    if found.st_uid not in {os.geteuid(), 0}:
        return [_stranger(name, file, found.st_uid)]
    if not os.access(file, os.R_OK):
        return [error(name, f"{file} cannot be read by this user", "chown it to the user that the supervisor runs as")]
    mode = stat.S_IMODE(found.st_mode)
    if mode & _OTHERS:
        return [error(name, f"{file} has mode {mode:04o}: others get at a secret", f"chmod 600 {file}")]
    return [ok(name, f"{file}, mode {mode:04o}")]


def check_root_key(settings: Settings) -> list[Finding]:
    """The root's key is not needed to issue."""
    key = settings.data_dir / "ca" / "root.key"
    if not key.exists():
        return [ok("root key", "not on this host")]
    return [note("root key", f"{key} is still on this host", "issuing does not need it: move it offline")]


def _stranger(name: str, path: Path, owner: int) -> Finding:
    seen = f"{path} belongs to user {owner}, this is user {os.geteuid()}"
    return error(name, seen, "run the doctor as the user that the supervisor runs as, or chown it")
