"""Renewal information (RFC 9773): when a certificate should be renewed. Anyone may ask; the door's table has it."""

from __future__ import annotations

from stages.store.certificates import Certificate
from supervisor.acme.certificate_id import is_named, parse_certificate_id
from supervisor.acme.desk import Desk, not_found
from supervisor.acme.replies import json_response
from supervisor.acme.views import rfc3339
from supervisor.http.message import Request, Response

_HOUR = 3600


async def renewal_info(desk: Desk, request: Request, ids: tuple[str, ...]) -> Response:  # noqa: ARG001  an Open handler
    """The suggested window, and when to ask again (RFC 9773 4.2, 4.3)."""
    authority, serial = parse_certificate_id(ids[0], "certificate id")
    found = await desk.reader.certificate(f"{serial:x}")
    if found is None or not is_named(found.pem, authority):
        raise not_found()
    start, end = window(found, int(desk.clock()))
    retry = ("Retry-After", str(int(desk.settings().renewal_retry_after)))
    return json_response({"suggestedWindow": {"start": rfc3339(start), "end": rfc3339(end)}}, headers=[retry])


def window(certificate: Certificate, now: int) -> tuple[int, int]:
    """Start and end in unix seconds: the past for a revoked one, what the operator set, else the middle third."""
    if certificate.revoked:
        end = min(certificate.revoked, now - 1)
        return end - _HOUR, end
    if certificate.renew_end:
        return certificate.renew_start, certificate.renew_end
    third = (certificate.not_after - certificate.not_before) // 3
    return certificate.not_before + third, certificate.not_after - third
