"""What recovery needs to know of one session, in the shape in which the scripts send it. No I/O; all may import it."""

from __future__ import annotations

import msgspec


class Found(msgspec.Struct, array_like=True, gc=False):
    """One session as the scan found it.

    Attributes:
        session: its id.
        live, state, created, waiting, schema: the fields' text; None or "" where missing. All are None when there is
            no such session.
        serial: whether one is reserved (an intent is on record).
        cert: whether a session in state issue has a certificate on record.
        unreadable: why it cannot be read, "" when it can.
        places: where its id was seen, in the bits of recovery's table; the scripts leave it out.
    """

    session: str
    live: str | None = None
    state: str | None = None
    created: str | None = None
    waiting: str | None = None
    schema: str | None = None
    serial: bool = False
    cert: bool = False
    unreadable: str = ""
    places: int = 0
