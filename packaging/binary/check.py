"""Run by build.py in the finished tree with its own Python: whether all of the program can be imported there.

Imports every module of the program and prints a JSON object: the `libraries` that were loaded from outside the tree,
and the versions of what is not in any package's metadata. No I/O but that.
"""

import importlib
import json
import pkgutil
import platform
import ssl
import sys
from pathlib import Path

TREE = Path(sys.prefix)
# What a host has whose glibc is new enough; everything else must come from the tree.
GLIBC = ("ld-linux", "libc.so", "libdl.so", "libm.so", "libpthread.so", "libresolv.so", "librt.so", "libutil.so")
# Loaded by other modules at their first use.
LATER = ("bz2", "ctypes", "encodings.idna", "gmpy2", "hashlib", "hiredis", "lzma", "pygments.lexers", "uuid", "uvloop")


def main() -> None:
    """Import, look and print."""
    for package in ("supervisor", "stages"):
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith(".__main__"):
                importlib.import_module(module.name)
    for name in LATER:
        importlib.import_module(name)
    cryptography = importlib.import_module("cryptography.hazmat.backends.openssl").backend
    maps = Path("/proc/self/maps").read_text().splitlines()
    mapped = {Path(line.split(maxsplit=5)[5]) for line in maps if ".so" in line and "/" in line}
    outside = [str(path) for path in mapped if TREE not in path.parents and not path.name.startswith(GLIBC)]
    found = {
        "libraries": sorted(outside),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION.split()[1],
        "cryptography_openssl": cryptography.openssl_version_text().split()[1],
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    sys.path.append(str(TREE / "packages"))
    main()
