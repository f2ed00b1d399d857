"""Builds dist/ca-supervisor_VERSION_ARCH.deb from dist/ca-supervisor and what lies around it: `make deb`.

A staged tree and dpkg-deb, no debhelper: the program is one file, and nothing of it is compiled here. The files of
debian/ are the package's own; units come from packaging/systemd, man pages from manual.py, completions from click. The
same sources give the same bytes: all times are SOURCE_DATE_EPOCH, or that of the last commit. Ends with 1, saying what
is missing.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Final, NoReturn

from click.shell_completion import get_completion_class

_ROOT: Final = Path(__file__).parents[2]
sys.path.append(str(_ROOT / "packaging" / "binary"))

import elf  # noqa: E402  it is in the path from here on
import manual  # noqa: E402  as above

from supervisor.cli import cli  # noqa: E402  as above
from supervisor.version import VERSION  # noqa: E402  as above

_HERE: Final = Path(__file__).parent / "debian"
_DIST: Final = _ROOT / "dist"
_NAME: Final = "ca-supervisor"
_DOC: Final = Path("usr/share/doc") / _NAME
_VARIABLE: Final = "_CA_SUPERVISOR_COMPLETE"
_REVISION: Final = "1"
_MAINTAINER: Final = "ca-supervisor maintainers <maintainers@ca-supervisor.example>"
"""DEBFULLNAME and DEBEMAIL name another, as for Debian's own tools."""
_EXAMPLES: Final = ("grafana", "prometheus", "lnav", "container")
_COMPLETIONS: Final = {
    "bash": f"usr/share/bash-completion/completions/{_NAME}",
    "zsh": f"usr/share/zsh/vendor-completions/_{_NAME}",
    "fish": f"usr/share/fish/vendor_completions.d/{_NAME}.fish",
}


class BuildError(Exception):
    """What is missing or off."""


def stage(tree: Path, program: Path, moment: int) -> None:
    """Everything that is installed, below `tree`; documents are dated with unix time `moment`."""
    _put(tree / "usr/bin" / _NAME, program.read_bytes(), 0o755)
    _put(tree / f"etc/{_NAME}/config.toml", (_HERE / "config.toml").read_bytes())
    _put(tree / f"usr/share/lintian/overrides/{_NAME}", (_HERE / "lintian-overrides").read_bytes())
    for unit in sorted((_ROOT / "packaging/systemd").iterdir()):
        _put(tree / "lib/systemd/system" / unit.name, unit.read_bytes())
    for file, page in manual.pages(moment).items():
        _put(tree / f"usr/share/man/man{file[-1]}/{file}.gz", _packed(page.encode()))
    for shell, place in _COMPLETIONS.items():
        _put(tree / place, completion(shell).encode())
    for path in sorted((_ROOT / "docs").rglob("*.md")):
        _put(tree / _DOC / path.relative_to(_ROOT), path.read_bytes())
    for name in ("README.md", "config.toml"):
        _put(tree / _DOC / name, (_ROOT / name).read_bytes())
    for folder in _EXAMPLES:
        for path in sorted(path for path in (_ROOT / "packaging" / folder).rglob("*") if path.is_file()):
            _put(tree / _DOC / "examples" / path.relative_to(_ROOT / "packaging"), path.read_bytes())
    _put(tree / _DOC / "changelog.gz", _packed((_ROOT / "CHANGELOG.md").read_bytes()))
    _put(tree / _DOC / "changelog.Debian.gz", _packed(_changelog(moment).encode()))
    _put(tree / _DOC / "copyright", _filled("copyright", {"YEAR": time.strftime("%Y", time.gmtime(moment))}).encode())
    materials = program.with_name(f"{_NAME}.cdx.json")
    if materials.is_file():
        _put(tree / _DOC / materials.name, materials.read_bytes())


def control(tree: Path, glibc: str) -> None:
    """The package's own files in `tree`/DEBIAN: name and needs, settings files, scripts, digests."""
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    size = sum(-(-path.stat().st_size // 1024) for path in files)
    values = {"VERSION": version(), "ARCH": architecture(), "MAINTAINER": _maintainer()}
    values |= {"SIZE": str(size), "GLIBC": glibc}
    own = tree / "DEBIAN"
    _put(own / "control", _filled("control", values).encode())
    _put(own / "conffiles", f"/etc/{_NAME}/config.toml\n".encode())
    digests = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(tree)}\n" for path in files]  # noqa: S324  deb(5) has no other
    _put(own / "md5sums", "".join(line for line in digests if "  etc/" not in line).encode())
    for script in ("postinst", "prerm", "postrm"):
        _put(own / script, (_HERE / script).read_bytes(), 0o755)


def completion(shell: str) -> str:
    """The script by which a shell asks the program what may come next; click makes it."""
    kind = get_completion_class(shell)
    if kind is None:
        raise BuildError(f"click has no completion for {shell}")
    return kind(cli, {}, _NAME, _VARIABLE).source() + "\n"


def version() -> str:
    """The Debian version."""
    return f"{VERSION}-{_REVISION}"


def architecture() -> str:
    """Debian's name for this kind of machine."""
    done = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def needed_glibc(program: Path) -> str:
    """The oldest glibc that what the program unpacks can run with; "" for a program that unpacks nothing."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        cache.mkdir(mode=0o700)
        subprocess.run(
            [str(program), "--version"], env={"CA_SUPERVISOR_CACHE": str(cache)}, check=True, capture_output=True
        )
        elves = [path for path in cache.rglob("*") if path.is_file() and not path.is_symlink() and elf.is_elf(path)]
        return elf.glibc(elves)[0]


def _put(path: Path, data: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def _packed(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)


def _filled(name: str, values: dict[str, str]) -> str:
    text = (_HERE / name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def _maintainer() -> str:
    name, address = os.environ.get("DEBFULLNAME"), os.environ.get("DEBEMAIL")
    return f"{name} <{address}>" if name and address else _MAINTAINER


def _changelog(moment: int) -> str:
    day = formatdate(moment)
    return (
        f"{_NAME} ({version()}) stable; urgency=medium\n\n"
        f"  * Version {VERSION}: see changelog.gz.\n\n"
        f" -- {_maintainer()}  {day.replace('-0000', '+0000')}\n"
    )


def _moment() -> int:
    told = os.environ.get("SOURCE_DATE_EPOCH")
    if told:
        return int(told)
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=_ROOT, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else int(time.time())


def _settle(tree: Path, moment: int) -> None:
    """One time and one mode for all that nobody has set otherwise."""
    for path in _below(tree):
        if path.is_dir():
            path.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
        os.utime(path, (moment, moment))


def _below(tree: Path) -> Iterator[Path]:
    yield from sorted(tree.rglob("*"), reverse=True)
    yield tree


def build(program: Path, folder: Path) -> Path:
    """The package of this program, in `folder`.

    Raises:
        BuildError: a tool or the program is missing.
        CalledProcessError: dpkg-deb's.
    """
    if not program.is_file():
        raise BuildError(f"there is no {program}: `make binary` builds it")
    if not shutil.which("dpkg-deb"):
        raise BuildError("there is no dpkg-deb (Debian: apt-get install dpkg)")
    moment = _moment()
    result = folder / f"{_NAME}_{version()}_{architecture()}.deb"
    with tempfile.TemporaryDirectory() as place:
        tree = Path(place) / "tree"
        stage(tree, program, moment)
        control(tree, needed_glibc(program))
        _settle(tree, moment)
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(tree), str(result)],
            env={**os.environ, "SOURCE_DATE_EPOCH": str(moment)},
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return result


def main() -> NoReturn:
    """Build the package from dist/ca-supervisor, or the program that is given, into dist or the given folder."""
    program, folder = (*(Path(word) for word in sys.argv[1:3]), *(_DIST / _NAME, _DIST)[len(sys.argv) - 1 :])
    try:
        result = build(program, folder)
    except (BuildError, ValueError) as error:
        sys.exit(f"error: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {error}\n{error.stderr or ''}")
    sys.stdout.write(f"{result}: {result.stat().st_size / 1e6:.1f} MB\n")
    sys.exit(0)


if __name__ == "__main__":
    main()
