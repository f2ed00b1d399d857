"""PEM text (RFC 7468): certificates out of it, and what is at hand put into it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from stages.ca.files import read_file
from stages.errors import Refused

_WIDTH: Final = 64


def read_certificates(file: Path) -> list[x509.Certificate]:
    """Every certificate of a PEM file, at least one; raises Refused("config", file, ...)."""
    return parse_certificates(read_file(file), str(file))


def parse_certificates(data: bytes, where: str) -> list[x509.Certificate]:
    """Every certificate of a PEM text, at least one; raises Refused("config", where, ...)."""
    try:
        return x509.load_pem_x509_certificates(data)
    except (ValueError, x509.InvalidVersion):
        raise Refused("config", where, "it holds no readable PEM certificate") from None


def pem(certificate: x509.Certificate) -> str:
    """A certificate as one block, ending in a newline."""
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def pem_block(label: str, der: bytes) -> str:
    """DER as one block with this label, such as "CERTIFICATE", ending in a newline."""
    text = base64.b64encode(der).decode("ascii")
    lines = "\n".join([text[at : at + _WIDTH] for at in range(0, len(text), _WIDTH)])
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"
