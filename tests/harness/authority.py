"""A CA in a folder: config.toml, root and intermediate, and CSRs for it. No network."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from stages.ca import hierarchy, keys
from stages.ca.pem import pem

YEAR = 365 * 86400


def make_authority(folder: Path, extra: str = "", *, http_port: int = 80, key_type: str = "p256") -> Path:
    """Write a config and a CA below `folder`; returns the path of config.toml. `extra` is appended TOML."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.toml"
    config.write_text(
        f'data_dir = "data"\n[validation]\nallow = ["loopback", "private"]\nhttp_port = {http_port}\n{extra}'
    )
    ca = folder / "data" / "ca"
    ca.mkdir(parents=True, exist_ok=True)
    (folder / "data").chmod(0o700)
    now = int(time.time())
    root_key, key = keys.generate("p256"), keys.generate(key_type)
    root = hierarchy.create_root("Test Root", root_key, 10 * YEAR, now, secrets.token_bytes)
    intermediate = hierarchy.create_intermediate(
        "Test Intermediate", key, root, root_key, 5 * YEAR, now, secrets.token_bytes
    )
    (ca / "root.pem").write_text(pem(root))
    (ca / "intermediate.pem").write_text(pem(intermediate))
    keys.save(ca / "intermediate.key", key)
    return config


def make_csr(key: ec.EllipticCurvePrivateKey, names: list[str]) -> str:
    """PEM of a CSR for DNS names and IP addresses."""
    entries: list[x509.GeneralName] = []
    for name in names:
        try:
            entries.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            entries.append(x509.DNSName(name))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName(entries), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a program under test: nothing of ours but the path."""
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **(extra or {})}
