"""PEM text of what is at hand as DER (RFC 7468 2). Used by `stages.ca`."""

from __future__ import annotations

import base64
from typing import Final

_WIDTH: Final = 64


def pem_block(label: str, der: bytes) -> str:
    """One block with this label, such as "CERTIFICATE", ending in a newline."""
    text = base64.b64encode(der).decode("ascii")
    lines = "\n".join([text[at : at + _WIDTH] for at in range(0, len(text), _WIDTH)])
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"
