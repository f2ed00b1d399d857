"""Looks at a certificate chain as the one who got it would: names, key, order and trust."""

from __future__ import annotations

import subprocess
from itertools import pairwise
from pathlib import Path

from cryptography import x509

from tests.harness.clients.base import Issued


def leaf_of(issued: Issued) -> x509.Certificate:
    """The certificate itself, which stands first in its file (RFC 8555 7.4.2)."""
    return x509.load_pem_x509_certificates(issued.chain.read_bytes())[0]


def check(issued: Issued, names: list[str], root: Path) -> x509.Certificate:
    """Assert that the chain is for exactly these names and this key, and that openssl trusts it below `root`."""
    chain = x509.load_pem_x509_certificates(issued.chain.read_bytes())
    leaf = chain[0]
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(str(name.value) for name in found) == sorted(names)
    assert _openssl("x509", "-in", issued.chain, "-noout", "-pubkey") == _openssl("pkey", "-in", issued.key, "-pubout")
    assert all(below.issuer == above.subject for below, above in pairwise(chain))
    _openssl("verify", "-purpose", "sslserver", "-CAfile", root, "-untrusted", issued.chain, issued.chain)
    return leaf


def _openssl(*arguments: str | Path) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
