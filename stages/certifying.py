"""From a durable intent to the certificate and its record: sign, look at what was signed, and say what goes on record.

The issue stage and the front door's own certificate use it; both have made the intent durable before (law 3).
"""

from __future__ import annotations

import hashlib

import anyio.to_thread

from stages.ca.certificate import chain_pem, sign
from stages.ca.intent import Intent
from stages.ca.issuer import Issuer
from stages.ca.lint import lint
from stages.outcome import CertificateRecord


async def certify(intent: Intent, issuer: Issuer, *, account: str = "", session: str = "") -> CertificateRecord:
    """The certificate of an intent, the same bytes each time, as it is recorded: `pem` is its chain, leaf first.

    Raises Refused("serverInternal", ...) when what was signed is not what was intended.
    """
    if issuer.slow:
        # An RSA signature takes a millisecond, and OpenSSL lets go of the interpreter meanwhile.
        certificate = await anyio.to_thread.run_sync(sign, intent, issuer)
    else:
        certificate = sign(intent, issuer)
    lint(certificate, intent, issuer)
    return CertificateRecord(
        serial=intent.serial,
        issuer=intent.issuer,
        names=",".join(intent.names),
        pem=chain_pem(certificate, issuer),
        not_before=intent.not_before,
        not_after=intent.not_after,
        account=account,
        session=session,
        spki=hashlib.sha256(intent.spki).hexdigest(),
    )
