"""Certificates by expiry, for `supervisor.overview.view`: a timeline and pages of a list."""

from __future__ import annotations

from typing import Final

from stages.ca.revocation import LABELS, Reason
from stages.store.expiring import Ending, count_by_expiry, count_expired, ending, last_expiry
from stages.store.records import Garbled
from stages.store.store import Store
from supervisor.overview.parts import CertificateList, CertificateRow, Timeline

COLUMNS: Final = 60
"""Bars of a timeline at the most."""
DAY: Final = 86_400
_WIDTHS: Final = (3600, 3 * 3600, 6 * 3600, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 365 * DAY)
"""Seconds of a bar: what people count in."""
FOREVER: Final = 253_402_300_800
"""The end of the year 9999, the last that a certificate can name (RFC 5280 4.1.2.5)."""


async def timeline(store: Store, now: int) -> Timeline:
    """The certificates that are still to end, in bars of a width that people count in (UTC)."""
    last = min(max(await last_expiry(store), now), FOREVER)
    width = next((each for each in _WIDTHS if (last - now) // each < COLUMNS - 1), _WIDTHS[-1])
    start = now - now % width
    bars = min(COLUMNS, (last - start) // width + 1)
    edges = [start + n * width for n in range(bars + 1)]
    edges[0] = now  # what has ended today has ended
    edges[-1] = max(edges[-1], last + 1)  # the last bar has all that is left
    return Timeline(start, width, await count_by_expiry(store, edges), await count_expired(store, now))


async def certificate_list(store: Store, now: int, start: int, end: int, offset: int, count: int) -> CertificateList:
    """A page of the certificates that end from `start` until before `end` (unix seconds)."""
    found = await ending(store, start, end, offset, count + 1)
    return CertificateList(now, start, end, offset, [_row(each) for each in found[:count]], len(found) > count)


def _row(found: Ending | Garbled) -> CertificateRow:
    if isinstance(found, Garbled):
        return CertificateRow(found.session, problem=f"{found.field}: {found.why}")
    return CertificateRow(
        found.serial,
        found.names,
        found.names_count,
        found.issuer,
        found.not_before,
        found.not_after,
        found.account,
        found.session,
        found.delivery,
        found.revoked,
        _reason(found.reason) if found.revoked else "",
        found.replaced,
        found.successor,
    )


def _reason(code: int | None) -> str:
    try:
        return LABELS[Reason(code or 0)]
    except ValueError:
        return str(code)
