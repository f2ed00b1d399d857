"""Logs what became durable: one line for a certificate, a rejection, a retirement, after the commit and not before."""

from __future__ import annotations

import structlog

from stages.store.moves import Move

log = structlog.get_logger()


def record_move(move: Move) -> None:
    """Log a committed move, if it is one that an operator wants to know of."""
    kind = move[0]
    if kind == "advance" and move[6]:
        fields = move[6][2]
        record = dict(zip(fields[::2], fields[1::2], strict=True))
        log.info(
            "certificate.issued",
            session=move[1],
            serial=record["serial"],
            names=record["names"],
            not_after=int(record["not_after"]),
        )
    elif kind == "reject":
        log.info("session.rejected", session=move[1], state=move[2], why=move[7])
    elif kind == "retire":
        log.info("session.retired", session=move[1], why=move[3])
