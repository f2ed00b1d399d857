"""The certificate resource (RFC 8555 7.4.2): a chain, leaf first, until long after its expiry. The door's table has it.

The certificate store answers, not the session, so a chain can be had for as long as the certificate is on record.
"""

from __future__ import annotations

from typing import Final

from stages.store.certificates import Certificate
from supervisor.acme.delivery import Handed
from supervisor.acme.desk import Asked, Desk, not_found, only_reads
from supervisor.http.message import Response

CONTENT_TYPE: Final = "application/pem-certificate-chain"
_END: Final = "-----END CERTIFICATE-----\n"


async def certificate(desk: Desk, asked: Asked) -> Response:
    """The chain by which the certificate was issued, or one of the others that its issuer has."""
    only_reads(asked)
    serial, wanted = asked.ids[0], int(asked.ids[1]) if asked.ids[1:] else 0
    found = asked.certificate
    if found is None:
        raise not_found()
    chains = _chains(desk, found)
    if wanted >= len(chains):
        raise not_found()
    links = [
        ("Link", f'<{desk.urls.certificate(serial, other)}>;rel="alternate"')
        for other in range(len(chains))
        if other != wanted
    ]
    headers = [("Content-Type", CONTENT_TYPE), *links]
    return Handed(200, chains[wanted].encode("ascii"), headers, session=found.session, serial=serial)


def _chains(desk: Desk, found: Certificate) -> list[str]:
    """The chain on record first; others only for what the present issuer issued."""
    if found.issuer != desk.issuer.id:
        return [found.pem]
    leaf = found.pem[: found.pem.index(_END) + len(_END)]
    return [found.pem, *(leaf + other.chain_pem for other in desk.alternates)]
