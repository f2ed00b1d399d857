"""revokeCert (RFC 8555 7.6). The door's table has the handler.

The account that has the certificate may ask, the certificate's key, and another account that has proven all of its
names. The reply comes when the revocation is in the store and on the CRL that is served.
"""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from stages.ca.revocation import Reason, parse_reason
from stages.store import moves
from stages.store.accounts import proofs_of
from stages.store.certificates import Certificate
from supervisor.acme.desk import Asked, Desk
from supervisor.acme.jose.encoding import from_base64url
from supervisor.acme.problems import AcmeProblem, from_status
from supervisor.http.message import Response


async def revoke(desk: Desk, asked: Asked) -> Response:
    """Check who asks and why, revoke, and wait until the CRL says so: 200 without a body."""
    if asked.sent is None:
        raise AcmeProblem("malformed", "payload: it is empty; revokeCert needs a JSON object (RFC 8555 7.6)")
    reason = _reason(asked.sent)
    found = await _find(desk, asked.sent)
    by_holder = _is_holder(asked, found)
    if not by_holder and not await _has_proven(desk, asked, found):
        raise AcmeProblem(
            "unauthorized",
            "the certificate is not this account's, its key did not sign, and not all of its names were proven by this"
            " account (RFC 8555 7.6)",
        )
    # Who only proves the names does not hold the key, and may say that it is compromised but not block it for others.
    spki = found.spki if reason is Reason.KEY_COMPROMISE and by_holder else ""
    at = int(desk.clock())
    answer = await desk.move(moves.revoke(found.serial, int(reason), at, spki))
    if answer == ["refused", "already"] and not await _is_made(desk, found, reason, at):
        raise AcmeProblem("alreadyRevoked", "certificate: it was revoked before; the first reason and time stay")
    if answer == ["refused", "unknown"]:
        raise _unknown()
    await desk.published()
    return Response(200)


def _reason(sent: dict[str, Any]) -> Reason:
    reason = sent.get("reason", 0)
    if not isinstance(reason, int):
        raise AcmeProblem("badRevocationReason", "reason: it must be a code of RFC 5280 5.3.1, an integer")
    return parse_reason(reason)


async def _find(desk: Desk, sent: dict[str, Any]) -> Certificate:
    """The record of the certificate that was sent, which has to be the very same."""
    text = sent.get("certificate")
    if not isinstance(text, str) or not text:
        raise AcmeProblem("malformed", "certificate: it is missing or no text (RFC 8555 7.6)")
    der = from_base64url(text, "certificate")
    try:
        serial = x509.load_der_x509_certificate(der).serial_number
    except (ValueError, x509.InvalidVersion):
        raise AcmeProblem("malformed", "certificate: it is not the DER of a certificate") from None
    found = await desk.reader.certificate(f"{serial:x}") if serial > 0 else None
    if found is None or _leaf_der(found) != der:
        raise _unknown()
    return found


def _leaf_der(found: Certificate) -> bytes:
    return x509.load_pem_x509_certificate(found.pem.encode("ascii")).public_bytes(Encoding.DER)


def _is_holder(asked: Asked, found: Certificate) -> bool:
    """Whether the certificate's own key signed, or the account it was issued to."""
    if asked.account is None:
        return hashlib.sha256(asked.key.spki_der).hexdigest() == found.spki
    return asked.account.id == found.account


async def _has_proven(desk: Desk, asked: Asked, found: Certificate) -> bool:
    if asked.account is None:
        return False
    max_age = desk.domain().issue.proof_max_age
    return await proofs_of(desk.store, asked.account.id, found.names, int(desk.clock()), max_age)


async def _is_made(desk: Desk, before: Certificate, reason: Reason, at: int) -> bool:
    """Whether what is on record is what this request wanted, and was not there `before` it.

    When the store goes away under a move, its answer may be lost and the move is sent again: it then finds its own
    work, which is no revocation of before.
    """
    if before.revoked:
        return False
    found = await desk.reader.certificate(before.serial)
    return found is not None and (found.revoked, found.reason) == (at, int(reason))


def _unknown() -> AcmeProblem:
    return from_status(404, "certificate: it was not issued here, or it is not on record any more")
