"""What the domain says when it refuses something. Anyone may import it.

A `Refused` is bad input: it costs its sender only, it names the field, and it becomes an ACME problem
document only at the door (RFC 8555 6.7). A `StoreUnavailable` is a passing fault of the store: callers
pause and try again. Neither carries raw bytes of a client or of anything fetched.
"""

from __future__ import annotations


class Refused(Exception):  # noqa: N818  it is an answer, not a failure of the program
    """Bad input, with one clear reason.

    Attributes:
        kind: the RFC 8555 6.7 error type without its URN prefix, such as "badCSR" or "rejectedIdentifier".
        field: what is wrong: a CSR field, a name, a setting, a file.
        reason: one sentence for the person who sent it.
    """

    def __init__(self, kind: str, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.kind = kind
        self.field = field
        self.reason = reason


class StoreUnavailable(Exception):  # noqa: N818  a condition that passes
    """The store cannot be reached or cannot write now; nothing is lost, try again."""


class LeaseLost(Exception):  # noqa: N818  a condition, handled by starting a new term
    """The supervisor's lease ran out or was taken; nothing it still holds may be committed."""
