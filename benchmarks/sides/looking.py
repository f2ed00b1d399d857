"""Asks the admin listener as Prometheus and an open status page do. For measures and sides of `benchmarks` only."""

from __future__ import annotations

import http.client
import time
from types import TracebackType
from typing import Final, Self

from benchmarks.figures import CannotRun

PAGE_EVERY: Final = 2.0
"""Seconds between two rounds of the page (supervisor/admin/page/app.js)."""
PAGE_ROUND: Final = (
    "/api/overview",
    "/api/sessions?show=newest&count=50",
    *(f"/api/sessions?show={kind}&count=5" for kind in ("failed", "retrying", "undelivered")),
)
"""What one round asks for (app.js and sessions.js there), while no certificate bar and no session is chosen."""
ACCEPT: Final = (
    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"  # Prometheus's own
)


class Looker:
    """One who looks at 127.0.0.1:`port`."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def ask(self, path: str, accept: str = "application/json") -> str:
        """A page. Raises CannotRun for any answer but 200."""
        try:
            self._connection.request("GET", path, headers={"Accept": accept})
            answer = self._connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as why:
            raise CannotRun(f"{path}: {type(why).__name__}: {why}") from None
        if answer.status != http.client.OK:
            raise CannotRun(f"{path} was answered with {answer.status}: {text[:200]}")
        return text

    def scrape(self) -> str:
        """The metrics; on a connection of its own where the last one has been idle for too long."""
        self._connection.close()  # http.client opens it again
        return self.ask("/metrics", ACCEPT)

    def page(self, rounds: int) -> None:
        """So many rounds of the page, each of which takes as long as there."""
        due = time.monotonic()
        for _ in range(rounds):
            for path in PAGE_ROUND:
                self.ask(path)
            due += PAGE_EVERY
            time.sleep(max(0.0, due - time.monotonic()))


def series(text: str) -> int:
    """How many series an exposition has."""
    return sum(1 for line in text.splitlines() if line and not line.startswith("#"))
