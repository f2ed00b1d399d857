"""What a backup says of itself: its last member, manifest.json. No I/O. For `supervisor.backup` and its commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

import msgspec

from stages.errors import Refused
from stages.store.tally import Counts

VERSION: Final = 1
"""The version that this program writes; another one is refused, not guessed at."""
NAME: Final = "manifest.json"
CONFIG: Final = "config.toml"
DATA: Final = "data/"
"""What lies below data_dir."""
ELSEWHERE: Final = "elsewhere/"
"""What a setting names outside of data_dir, by the setting's name."""
STORE: Final = "store/"
MAX_BYTES: Final = 512 << 20
"""A store takes no more in one call."""
_NAME: Final = re.compile(r"(config\.toml|store/[0-9]{6}\.msgpack|(data|elsewhere)/[^\0]+)")


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the backup.

    Attributes:
        name: in the archive, with slashes.
        size: bytes.
        sha256: lower-case hex.
        mode: its permissions, such as 0o600.
        setting: the setting that names it, "" for none.
        path: where it was.
        key: "" for what is no private key, "encrypted" or "plain" (in plain text) for a private key.
    """

    name: str
    size: int
    sha256: str
    mode: int = 0o600
    setting: str = ""
    path: str = ""
    key: str = ""


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """The CA: the id, subject, key and end of validity (unix time) of its issuer."""

    id: str
    subject: str
    spki_sha256: str
    not_after: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All that is said of a backup.

    Attributes:
        version: of this format.
        program: version of the program that made it.
        id: of this backup, 16 hex digits.
        made: unix time of the moment that the store is shown at.
        host: where it was made, for people.
        store: "embedded", or "remote" for a store of one's own.
        prefix: what stood before every key; it is left out of the records.
        ca: whose backup it is.
        counts: what stood in the store.
        records: how many records there are; a key may have several, of which the last counts.
        paused: seconds for which writers were held up.
        crl_number: that of the CRL's file, 0 without one.
        left_out: settings whose files are not in it, and why.
        members: every other file of the archive, in its order.
    """

    version: int = VERSION
    program: str
    id: str
    made: int
    host: str
    store: str
    prefix: str
    ca: Authority
    counts: Counts
    records: int
    paused: float
    crl_number: int
    left_out: dict[str, str]
    members: list[Member]

    @property
    def plain(self) -> list[str]:
        """Private keys in plain text."""
        return [member.path for member in self.members if member.key == "plain"]


def encode(manifest: Manifest) -> bytes:
    """The text of manifest.json."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def decode(text: bytes, where: str) -> Manifest:
    """Read what `encode` wrote; raises Refused("malformed", where, ...)."""
    try:
        version = msgspec.json.decode(text, type=_Version).version
        if version != VERSION:
            reason = f"it is a backup of version {version}, and this program reads version {VERSION}"
            raise Refused("malformed", where, reason)
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused("malformed", where, f"its {NAME} cannot be read: {error}") from None
    for member in manifest.members:
        if not is_safe(member.name):
            raise Refused("malformed", where, f"its {NAME} names a file that no backup has: {member.name[:200]!r}")
    return manifest


def compare(manifest: Manifest, found: Sequence[Member], where: str) -> None:
    """Refuse an archive whose files are not those of the manifest: name, order, size and digest."""
    if len(found) != len(manifest.members):
        reason = f"it has {len(found)} files, and its {NAME} names {len(manifest.members)}"
        raise Refused("malformed", where, reason)
    for said, member in zip(manifest.members, found, strict=True):
        if (said.name, said.size, said.sha256) != (member.name, member.size, member.sha256):
            raise Refused("malformed", where, f"its file {member.name[:200]!r} is not the one of its {NAME}")


def is_safe(name: str) -> bool:
    """Whether a member can be put below a directory and nowhere else."""
    parts = PurePosixPath(name).parts
    return bool(_NAME.fullmatch(name)) and ".." not in parts and "/".join(parts) == name


class _Version(msgspec.Struct):
    version: int
