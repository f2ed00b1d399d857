"""dns-account-01 (draft-ietf-acme-dns-account-label-02): as dns-01, at a name of the account's own.

Several accounts can so prove one name at the same time. For `validators` alone.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from stages.challenges.dns01 import find_digest
from stages.challenges.evidence import Fault, Trail
from stages.challenges.settings import Claim, Tools

_LABEL_BYTES: Final = 10


async def dnsaccount01(tools: Tools, claim: Claim, trail: Trail) -> None:
    """Look up the TXT records of `_<label>._acme-challenge.<name>`, without "*."; return when any is the digest.

    Raises:
        Fault: kinds "dns" and "incorrectResponse"; "malformed" where it cannot prove the name, or without an account.
    """
    if not claim.account_url:
        raise Fault("malformed", "dns-account-01 needs an account and its URL", lasting=True)
    await find_digest(tools, claim, f"_{account_label(claim.account_url)}._acme-challenge", trail)


def account_label(account_url: str) -> str:
    """Return an account's label, 16 characters: base32 of the first 10 bytes of the SHA-256 of its URL (section 3)."""
    return base64.b32encode(hashlib.sha256(account_url.encode()).digest()[:_LABEL_BYTES]).decode().lower()
