"""How one attempt is told: a `Trail` gathers what was seen, a `Fault` ends it. For this package alone.

Texts in both are made here, of numbers, checked names and our own phrases; bytes that were fetched never
enter them.
"""

from __future__ import annotations

import string

import msgspec

from stages.session import Hop, Problem

MOST_DETAIL = 400
"""Characters of a detail or of `Hop.seen`; longer ones are cut."""

_PRINTABLE = frozenset(string.ascii_letters + string.digits + string.punctuation + " ")


class Fault(Exception):  # noqa: N818  an answer about somebody else's server, not a failure of the program
    """Why an attempt did not find its proof.

    Attributes:
        kind: the RFC 8555 6.7 error type: "dns", "connection", "tls", "incorrectResponse", "malformed".
        detail: one sentence for the person who runs the server that was asked.
        lasting: True when the server gave a definite answer that is not the proof (another status, another
            body, no such name or record, a TLS alert, a certificate that does not fit) or when policy refuses
            its addresses: asking again changes nothing. False when there was no answer, or one that says
            "not now" (time-out, refused or broken connection, SERVFAIL, status 429 or 5xx).
    """

    def __init__(self, kind: str, detail: str, *, lasting: bool) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.lasting = lasting

    @property
    def problem(self) -> Problem:
        """The fault in the form in which it is kept and shown."""
        return Problem(self.kind, printable(self.detail))


class Absent(Fault):
    """A definite answer of DNS: there is no such name, or it has no record of the types that were asked for."""


class Trail:
    """The hops of one attempt while it is made, and what is being done now (told at a time-out)."""

    def __init__(self) -> None:
        self.hops: list[Hop] = []
        self.phase = "starting"
        self.kind = "connection"

    def doing(self, phase: str, kind: str = "connection") -> None:
        """Say what is being done, and the error type of a time-out meanwhile."""
        self.phase = phase
        self.kind = kind

    def hop(self, target: str, addresses: tuple[str, ...] = (), used: str = "", seen: str = "") -> None:
        """Begin a hop; without `seen` it stays open until `saw`."""
        self.hops.append(Hop(target, addresses, used, printable(seen)))

    def saw(self, seen: str) -> None:
        """Say how the latest hop ended; what was said first stands."""
        if self.hops and not self.hops[-1].seen:
            self.hops[-1] = msgspec.structs.replace(self.hops[-1], seen=printable(seen))


def printable(text: str) -> str:
    """Return `text` cut to `MOST_DETAIL` characters, with "?" for all that is not printable ASCII."""
    cut = text if len(text) <= MOST_DETAIL else text[: MOST_DETAIL - 3] + "..."
    return cut if cut.isascii() and cut.isprintable() else "".join(c if c in _PRINTABLE else "?" for c in cut)
