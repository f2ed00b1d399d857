"""Tells whoever made a reply that all of it has gone out (`Response.written`). For `protocol` only."""

from __future__ import annotations

from collections.abc import Callable

import structlog

log = structlog.get_logger()


class Receipts:
    """Those that one connection owes, in the order of its replies."""

    def __init__(self) -> None:
        self._owed: list[Callable[[], None]] = []

    def owe(self, written: Callable[[], None]) -> None:
        """This reply is on its way."""
        self._owed.append(written)

    def give(self) -> None:
        """Everything has gone out. One that fails is logged, and keeps no other from its own."""
        owed, self._owed = self._owed, []
        for written in owed:
            try:
                written()
            except Exception:
                log.exception("http.failed", method="", path="")

    def drop(self) -> None:
        """The connection broke: nobody knows what has come through."""
        self._owed.clear()
