"""Which files belong to a backup, and what they are called in it. For `supervisor.backup`.

Packed are the settings, what issuing needs, the CRL, and the front door's own keys. Left out are passphrases and
passwords, since a backup that holds both an encrypted key and its passphrase holds a key in plain text, and the root's
key, which belongs offline (docs/operation.md).
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from stages.ca.files import read_file
from stages.errors import Refused
from supervisor.acme.door_folder import FOLDER
from supervisor.backup.manifest import CONFIG, DATA, ELSEWHERE, Member
from supervisor.config import Settings
from supervisor.config.settings import entries
from supervisor.config.values import Kind
from supervisor.upkeep.crl import read_crl

PACKED: Final = {
    "ca.certificate",
    "ca.key",
    "ca.chain",
    "ca.alternate_chains",
    "crl.file",
    "keys.blocked_file",
    "store.tls_ca_file",
    "acme.tls_certificate",
    "acme.tls_key",
    "warnings.tls_ca_file",
}
_NO_STATE: Final = {"data_dir", "logs.to"}
CRL: Final = "crl.file"
_ROOT_KEY: Final = "ca/root.key"


class File(NamedTuple):
    """A file to pack: where it is, and what is said of it."""

    path: Path
    member: Member

    def read(self) -> bytes:
        """Its content; raises Refused("config", <file>, ...)."""
        return self.path.read_bytes() if self.member.setting == CRL else read_file(self.path)


def files(settings: Settings, config: Path) -> Iterator[File]:
    """Every file, config.toml first. Raises Refused("config", <file>, ...) for one that cannot be read."""
    yield _file(config.absolute(), CONFIG, "")
    seen: set[str] = set()
    for entry in entries(settings):
        if entry.key in PACKED:
            for path in _paths(entry.value):
                if entry.key == CRL and not path.exists():
                    continue  # none was written yet
                name = _name(settings, path, entry.key)
                if name not in seen:
                    seen.add(name)
                    yield _file(path, name, entry.key)
    door = settings.data_dir / FOLDER
    for path in sorted(door.iterdir()) if door.is_dir() else ():
        if path.suffix in {".key", ".pem", ""} and not path.name.startswith("."):
            yield _file(path, _name(settings, path, ""), "")


def left_out(settings: Settings) -> dict[str, str]:
    """Files that settings name and that are not packed, by setting."""
    found = {}
    for entry in entries(settings):
        if entry.kind in {Kind.PATH, Kind.DATA_PATH} and entry.key not in PACKED | _NO_STATE:
            for path in _paths(entry.value):
                found[entry.key] = str(path)
    root_key = settings.data_dir / _ROOT_KEY
    if root_key.exists():
        found["root key"] = str(root_key)
    return found


def crl_number(settings: Settings) -> int:
    """That of the CRL which lies there; 0 without one."""
    return read_crl(settings.crl.file).number if settings.crl.file.exists() else 0


def _paths(value: object) -> list[Path]:
    if isinstance(value, Path):
        return [value]
    return [path for path in value if isinstance(path, Path)] if isinstance(value, tuple) else []


def _name(settings: Settings, path: Path, setting: str) -> str:
    try:
        return DATA + path.absolute().relative_to(settings.data_dir).as_posix()
    except ValueError:
        return f"{ELSEWHERE}{setting}/{path.name}"


def _file(path: Path, name: str, setting: str) -> File:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise Refused("config", str(path), f"cannot be read: {error.strerror}") from None
    member = Member(name=name, size=0, sha256="", mode=mode & 0o755, setting=setting, path=str(path))
    return File(path, member)


def kind_of_key(data: bytes) -> str:
    """Of a private key "encrypted" or "plain", else nothing."""
    if b"PRIVATE KEY-----" not in data:
        return ""
    return "encrypted" if b"ENCRYPTED" in data else "plain"
