"""Makes one executable of a tree: its files, compressed, within the launcher. Used by build.py.

The same tree gives the same bytes: files are taken in the order of their paths, without times and owners.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import zstandard

_LAUNCHER: Final = Path(__file__).with_name("launcher")
_SOURCES: Final = ("main.c", "place.c", "cache.c", "unpack.c", "fault.c")
COMPILE: Final = (
    "gcc",
    "-std=gnu11",
    "-D_GNU_SOURCE",
    "-O2",
    "-static",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wl,--build-id=none",
)
LINK: Final = ("-lzstd",)
_LEVEL: Final = 19
_THREADS: Final = 2  # their number does not change the bytes, as long as there are any
_INCLUDE: Final = """\
    .section .rodata
    .global payload, payload_end
    .balign 16
payload:
    .incbin "payload.zst"
payload_end:
    .section .note.GNU-stack, "", @progbits
"""


def pack(tree: Path, folder: Path, version: str, start: Sequence[str], result: Path) -> None:
    """Write the executable.

    Args:
        tree: what it holds.
        folder: for what comes in between.
        version: becomes part of the name that the program has in the cache.
        start: what is executed: a path in the tree, options, a path in the tree.
        result: the file to write.

    Raises:
        CalledProcessError: the compiler's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = sorted(path for path in tree.rglob("*") if path.is_file())
    digest = hashlib.sha256(repr(start).encode())
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, threads=_THREADS)
    table = []
    with (folder / "payload.zst").open("wb") as file, compressor.stream_writer(file, closefd=False) as writer:
        for path in paths:
            content, mode = path.read_bytes(), 0o500 if path.stat().st_mode & 0o100 else 0o400
            writer.write(content)
            name = path.relative_to(tree).as_posix()
            digest.update(f"{name} {len(content)} {mode}\n".encode() + content)
            table.append(f"    {{{_c(name)}, {len(content)}, 0{mode:o}}},")
    name = f"program-{version}-{digest.hexdigest()[:16]}"
    lines = [
        '#include "launcher.h"',
        f"const char program_id[] = {_c(name)};",
        f"const char *const start[] = {{{', '.join(map(_c, start))}, NULL}};",
        "const struct entry entries[] = {",
        *table,
        "};",
        "const size_t entry_count = sizeof entries / sizeof *entries;",
    ]
    (folder / "table.c").write_text("\n".join(lines) + "\n")
    (folder / "payload.S").write_text(_INCLUDE)
    sources = [str(_LAUNCHER.absolute() / name) for name in _SOURCES]
    command = [*COMPILE, f"-I{_LAUNCHER.absolute()}", *sources, "table.c", "payload.S", "-s", "-o", "linked", *LINK]
    subprocess.run(command, check=True, cwd=folder)
    (folder / "linked").replace(result)


def _c(text: str) -> str:
    """A string of C; paths of packages are plain ASCII."""
    if not text.isascii() or not text.isprintable() or '"' in text or "\\" in text:
        raise ValueError(f"{text!r} cannot be put into the table")
    return f'"{text}"'
