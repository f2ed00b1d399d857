"""The list of an account's orders (RFC 8555 7.1.2.1), page by page. The door's table has the handler.

The newest are first; orders that are invalid are left out, as the clause recommends.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from stages.store.accounts import orders_of
from supervisor.acme.accounts import own_account
from supervisor.acme.desk import Asked, Desk, only_reads
from supervisor.acme.problems import AcmeProblem
from supervisor.http.message import Response

_CURSOR: Final = re.compile(r"[0-9]{1,12}-[0-9a-f]{64}")


async def list_orders(desk: Desk, asked: Asked) -> Response:
    """The URLs of the orders of the account that signs; `Link: rel="next"` where there are more."""
    own = own_account(asked)
    only_reads(asked)
    cursor = _cursor(asked.request.query)
    page = await orders_of(desk.store, own.id, cursor, desk.settings().orders_page)
    body = {"orders": [desk.urls.order(session) for session in page.sessions]}
    headers = [("Content-Type", "application/json")]
    if page.cursor:
        headers.append(("Link", f'<{desk.urls.orders(own.id)}?cursor={page.cursor}>;rel="next"'))
    return Response(status=200, body=msgspec.json.encode(body), headers=headers)


def _cursor(query: str) -> str:
    """Where the page begins: what a rel="next" link has; "" for the first page."""
    if not query:
        return ""
    sent = parse_qsl(query, keep_blank_values=True)
    if len(sent) != 1 or sent[0][0] != "cursor" or not _CURSOR.fullmatch(sent[0][1]):
        raise AcmeProblem("malformed", "query: only what a rel=next link of this list has is understood")
    return sent[0][1]
