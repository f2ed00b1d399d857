"""Problem documents: every error that the front door answers (RFC 8555 6.7, RFC 9457).

A handler raises `AcmeProblem`; the door turns it into one `application/problem+json` reply with type, detail
and status. Used by all of `supervisor.acme`; the web server below it knows nothing of problems.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from stages.errors import Refused
from supervisor.http.message import Response

URN: Final = "urn:ietf:params:acme:error:"
CONTENT_TYPE: Final = "application/problem+json"

STATUSES: Final[Mapping[str, int]] = MappingProxyType(
    {
        # RFC 8555 6.7, its whole table, in its order.
        "accountDoesNotExist": 400,  # 7.3.1
        "alreadyRevoked": 400,  # 7.6
        "badCSR": 400,
        "badNonce": 400,  # 6.5
        "badPublicKey": 400,
        "badRevocationReason": 400,
        "badSignatureAlgorithm": 400,  # 6.2
        "caa": 403,
        "compound": 400,
        "connection": 400,
        "dns": 400,
        "externalAccountRequired": 403,  # 7.3.4
        "incorrectResponse": 403,
        "invalidContact": 400,
        "malformed": 400,
        "orderNotReady": 403,  # 7.4
        "rateLimited": 429,  # RFC 6585 4
        "rejectedIdentifier": 400,
        "serverInternal": 500,
        "tls": 400,
        "unauthorized": 403,  # 401 for an account that is not valid any more (7.3.6): by `status`
        "unsupportedContact": 400,
        "unsupportedIdentifier": 400,
        "userActionRequired": 403,  # 7.3.3
        "alreadyReplaced": 409,  # RFC 9773 5
        "invalidProfile": 400,  # draft-ietf-acme-profiles
    }
)
"""The error types that this server answers, and the HTTP status of each unless a problem says another."""

OWN_MEMBERS: Final = frozenset({"type", "detail", "status", "subproblems"})
"""What the document itself fills; `AcmeProblem.members` are the others."""


class Subproblem(msgspec.Struct, frozen=True):
    """One of several things that are wrong at once (RFC 8555 6.7.1).

    Attributes:
        kind: a key of `STATUSES`.
        detail: one sentence.
        identifier: the identifier object it is about, such as {"type": "dns", "value": "a.example"}.
    """

    kind: str
    detail: str
    identifier: dict[str, str] | None = None


class AcmeProblem(Exception):  # noqa: N818  it is an answer, not a failure of the program
    """An answer that is an error.

    Attributes:
        kind: a key of `STATUSES`: the error type without its URN prefix.
        detail: one sentence for the person at the client; never raw bytes of a client or of anything fetched.
        status: the HTTP status.
        subproblems: what is wrong with each identifier, where it is more than one sentence.
        headers: further header fields of the reply, such as ("Retry-After", "60").
        members: further members of the document, such as `algorithms` (6.2) or `instance` (6.7).
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        status: int | None = None,
        subproblems: Iterable[Subproblem] = (),
        headers: Iterable[tuple[str, str]] = (),
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.status = STATUSES[kind] if status is None else status
        self.subproblems = tuple(subproblems)
        self.headers = tuple(headers)
        self.members = dict(members or {})


def error_object(kind: str, detail: str) -> dict[str, Any]:
    """An error as it stands inside an order or a challenge (RFC 8555 7.1.3, 8): {"type", "detail", "status"}."""
    return {"type": URN + kind, "detail": detail, "status": STATUSES.get(kind, 500)}


def problem_object(problem: AcmeProblem) -> dict[str, Any]:
    """The document's members: type, detail, status, subproblems where there are any, then the further ones."""
    document: dict[str, Any] = {"type": URN + problem.kind, "detail": problem.detail, "status": problem.status}
    if problem.subproblems:
        document["subproblems"] = [_subproblem_object(one) for one in problem.subproblems]
    document.update((name, value) for name, value in problem.members.items() if name not in OWN_MEMBERS)
    return document


def problem_response(problem: AcmeProblem) -> Response:
    """The whole reply; the door adds Replay-Nonce and Link as it does to every reply."""
    return Response(
        status=problem.status,
        body=msgspec.json.encode(problem_object(problem)),
        headers=[("Content-Type", CONTENT_TYPE), *problem.headers],
    )


def from_refused(refused: Refused) -> AcmeProblem:
    """What the domain refused, as an answer: its field and reason are the detail.

    A kind that is no ACME error (a refused setting, "config") is no business of a client: serverInternal, and
    the reason stays in the log.
    """
    if refused.kind not in STATUSES:
        return AcmeProblem("serverInternal", "the server cannot do this now; its operator finds the reason in its log")
    return AcmeProblem(refused.kind, f"{refused.field}: {refused.reason}")


def from_status(status: int, detail: str, headers: Iterable[tuple[str, str]] = ()) -> AcmeProblem:
    """An error that HTTP has a status for and RFC 8555 has no type of its own: 404, 405, 413, 415, 503 and the like."""
    return AcmeProblem(_kind_of_status(status), detail, status=status, headers=headers)


def _kind_of_status(status: int) -> str:
    if status >= 500:  # noqa: PLR2004  RFC 9110 15.6: the server's own failures
        return "serverInternal"
    return {401: "unauthorized", 403: "unauthorized", 429: "rateLimited"}.get(status, "malformed")


def _subproblem_object(subproblem: Subproblem) -> dict[str, Any]:
    document: dict[str, Any] = {"type": URN + subproblem.kind, "detail": subproblem.detail}
    if subproblem.identifier is not None:
        document["identifier"] = subproblem.identifier
    return document
