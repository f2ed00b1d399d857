"""dns-01 (RFC 8555 8.4): the digest of the key authorization is in a TXT record. For `validators` alone."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from stages.challenges.evidence import Fault, Trail
from stages.challenges.names import canonical_host, is_address
from stages.challenges.settings import Claim, Tools

MOST_SHOWN: Final = 16
"""TXT records whose lengths are put on record."""


async def dns01(tools: Tools, claim: Claim, trail: Trail) -> None:
    """Look up the TXT records of `_acme-challenge.<name>`, without "*."; return when any is the digest.

    Raises:
        Fault: kinds "dns" and "incorrectResponse"; "malformed" where dns-01 cannot prove the name.
    """
    await find_digest(tools, claim, "_acme-challenge", trail)


async def find_digest(tools: Tools, claim: Claim, prefix: str, trail: Trail) -> None:
    """Do so for the name with these labels before it; `dnsaccount01` uses it too."""
    host = canonical_host(claim.name.removeprefix("*."))
    if host is None or is_address(host):
        raise Fault("malformed", "a DNS record proves DNS names only", lasting=True)
    name = f"{prefix}.{host}"
    trail.doing(f"looking up the TXT records of {name}", "dns")
    trail.hop(f"TXT {name}")
    try:
        texts = await tools.resolver.texts(name)
    except Fault as fault:
        trail.saw(fault.detail)
        raise
    expected = base64.urlsafe_b64encode(hashlib.sha256(claim.key_authorization.encode("ascii")).digest())
    if expected.rstrip(b"=") in texts:
        trail.saw(f"the digest, among {len(texts)} TXT records")
        return
    sizes = sorted(map(len, texts))  # a server gives its records in any order
    lengths = ", ".join(map(str, sizes[:MOST_SHOWN])) + (", ..." if sizes[MOST_SHOWN:] else "")
    seen = f"{len(texts)} TXT records, of {lengths} bytes"
    trail.saw(seen)
    detail = f"expected the digest of the key authorization at {name}, saw {seen}"
    raise Fault("incorrectResponse", detail, lasting=True)
