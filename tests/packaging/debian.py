"""A bare Debian in a folder, without Python: made by debootstrap once, copied for each test. For tests/packaging.

Its packages come from the mirror that this machine's apt is configured with. Commands run in it by chroot, in a mount
namespace of their own with /proc and /dev, which ends with them.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

_APT: Final = Path("/etc/apt")
_ENTER: Final = 'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && exec chroot "$@"'
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Mirror(NamedTuple):
    """Where apt gets a suite from, and the file of the key that signs it; "" for the default."""

    uri: str
    keyring: str


@dataclass(frozen=True)
class DebianRoot:
    """The root directory of a Debian. `path` is its place on this machine."""

    path: Path

    def install(self, program: Path) -> None:
        """Copy one executable to /usr/local/bin."""
        shutil.copy(program, self.path / "usr" / "local" / "bin" / program.name)

    def command(self, *words: str, user: str = "root") -> list[str]:
        """What runs a command in it; the process that is started becomes the command's."""
        return ["unshare", "--mount", "sh", "-c", _ENTER, "sh", str(self.path), *self._as(user), *words]

    def run(
        self, *words: str, env: Mapping[str, str] | None = None, user: str = "root", code: int = 0, seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command and wait for its end; AssertionError with what it said when that is not with `code`."""
        environ = {"PATH": _PATH, "HOME": "/root", **(env or {})}
        done = subprocess.run(
            self.command(*words, user=user), env=environ, capture_output=True, text=True, timeout=seconds, check=False
        )
        assert done.returncode == code, f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def files(self, folder: str) -> list[str]:
        """The paths below a folder, as the Debian has them, sorted; hidden ones too."""
        return sorted(f"/{path.relative_to(self.path)}" for path in (self.path / folder.lstrip("/")).rglob("*"))

    def _as(self, user: str) -> list[str]:
        """What goes before a command of one of its users (passwd(5))."""
        if user == "root":
            return []
        lines = (self.path / "etc" / "passwd").read_text().splitlines()
        ids = {name: (uid, gid) for name, _, uid, gid, *_ in (line.split(":") for line in lines)}
        uid, gid = ids[user]
        return ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]


def bare(cache: Path, kind: str = "", include: Sequence[str] = ()) -> Path:
    """The folder below `cache` with the Debian of this machine's release, made first if need be.

    One that is to `include` further packages has a `kind` of its own, a word.

    Raises:
        FileNotFoundError: there is no debootstrap here, or apt has no source for this release.
        CalledProcessError: debootstrap's.
    """
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    made = cache / "-".join(filter(None, ("debian", suite, kind)))
    if not made.is_dir():
        if not shutil.which("debootstrap"):
            raise FileNotFoundError("there is no debootstrap (Debian: apt-get install debootstrap)")
        mirror = _mirror(suite)
        new = made.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        cache.mkdir(exist_ok=True)
        keyring = [f"--keyring={mirror.keyring}"] if mirror.keyring else []
        more = [f"--include={','.join(include)}"] if include else []
        subprocess.run(["debootstrap", "--variant=minbase", *more, *keyring, suite, str(new), mirror.uri], check=True)
        shutil.rmtree(new / "var" / "cache" / "apt", ignore_errors=True)
        new.rename(made)
    return made


def copy(made: Path, folder: Path) -> DebianRoot:
    """A Debian of one's own in `folder`, which is made. A copy-on-write file system shares the files."""
    subprocess.run(["cp", "--archive", "--reflink=auto", str(made), str(folder)], check=True)
    return DebianRoot(folder)


def _mirror(suite: str) -> Mirror:
    """The first source of apt that has the suite. Both forms of sources.list(5)."""
    for mirror, suites in (*_sources(), *_lists()):
        if suite in suites:
            return mirror
    raise FileNotFoundError(f"{_APT} names no source of {suite}")


def _sources() -> Iterator[tuple[Mirror, list[str]]]:
    for file in sorted(_APT.glob("sources.list.d/*.sources")):
        for stanza in re.split(r"\n\s*\n", file.read_text()):
            fields = dict(re.findall(r"^(\w[\w-]*):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE))
            if "deb" in fields.get("Types", "").split() and "main" in fields.get("Components", "").split():
                key = fields.get("Signed-By", "").strip()
                yield Mirror(fields["URIs"].split()[0], key if key.startswith("/") else ""), fields["Suites"].split()


def _lists() -> Iterator[tuple[Mirror, list[str]]]:
    for file in (_APT / "sources.list", *sorted(_APT.glob("sources.list.d/*.list"))):
        lines = file.read_text().splitlines() if file.is_file() else []
        for line in lines:
            found = re.match(r"deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)\s+(.*)", line)
            if found and "main" in found[4].split():
                key = re.search(r"signed-by=(/\S+)", found[1] or "")
                yield Mirror(found[2], key[1] if key else ""), [found[3]]
