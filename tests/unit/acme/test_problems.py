"""Problem documents, as they go over the wire."""

from __future__ import annotations

import json

import pytest

from stages.errors import Refused
from supervisor.acme.problems import (
    STATUSES,
    AcmeProblem,
    Subproblem,
    error_object,
    from_refused,
    from_status,
    problem_response,
)


def test_problem_response_has_type_detail_status() -> None:
    """A problem is application/problem+json with its type, detail and status (RFC 8555 6.7)."""
    reply = problem_response(AcmeProblem("orderNotReady", "the order is pending"))
    assert (reply.status, reply.headers, json.loads(reply.body)) == (
        403,
        [("Content-Type", "application/problem+json")],
        {
            "type": "urn:ietf:params:acme:error:orderNotReady",
            "detail": "the order is pending",
            "status": 403,
        },
    )


def test_problem_response_has_subproblems_and_members() -> None:
    """Subproblems name their identifier; further members and headers come along, but replace none of the document's."""
    problem = AcmeProblem(
        "rejectedIdentifier",
        "two names are refused",
        status=403,
        subproblems=[
            Subproblem("rejectedIdentifier", "not here", {"type": "dns", "value": "a.example"}),
            Subproblem("malformed", "not at all"),
        ],
        headers=[("Retry-After", "60")],
        members={"instance": "https://ca.example/story/1", "status": 200},
    )
    reply = problem_response(problem)
    assert json.loads(reply.body) == {
        "type": "urn:ietf:params:acme:error:rejectedIdentifier",
        "detail": "two names are refused",
        "status": 403,
        "subproblems": [
            {
                "type": "urn:ietf:params:acme:error:rejectedIdentifier",
                "detail": "not here",
                "identifier": {"type": "dns", "value": "a.example"},
            },
            {"type": "urn:ietf:params:acme:error:malformed", "detail": "not at all"},
        ],
        "instance": "https://ca.example/story/1",
    }
    assert reply.headers == [("Content-Type", "application/problem+json"), ("Retry-After", "60")]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("accountDoesNotExist", 400),
        ("alreadyRevoked", 400),
        ("badCSR", 400),
        ("badNonce", 400),
        ("badPublicKey", 400),
        ("badRevocationReason", 400),
        ("badSignatureAlgorithm", 400),
        ("caa", 403),
        ("compound", 400),
        ("connection", 400),
        ("dns", 400),
        ("externalAccountRequired", 403),
        ("incorrectResponse", 403),
        ("invalidContact", 400),
        ("malformed", 400),
        ("orderNotReady", 403),
        ("rateLimited", 429),
        ("rejectedIdentifier", 400),
        ("serverInternal", 500),
        ("tls", 400),
        ("unauthorized", 403),
        ("unsupportedContact", 400),
        ("unsupportedIdentifier", 400),
        ("userActionRequired", 403),
        ("alreadyReplaced", 409),
        ("invalidProfile", 400),
    ],
)
def test_status_of_kind(kind: str, status: int) -> None:
    """Each error type has its status, in a reply and inside an object, and a problem may say another."""
    assert status == AcmeProblem(kind, "x").status == error_object(kind, "x")["status"]
    assert AcmeProblem(kind, "x", status=401).status == 401


def test_statuses_has_no_other_kind() -> None:
    """The table is RFC 8555 6.7 (24 types), RFC 9773 and the profiles draft."""
    assert len(STATUSES) == 24 + 2


@pytest.mark.parametrize(
    ("refused", "kind", "detail"),
    [
        (Refused("badCSR", "signature", "it is bad"), "badCSR", "signature: it is bad"),
        (Refused("invalidProfile", "profile", "unknown"), "invalidProfile", "profile: unknown"),
        (
            Refused("config", "keys.file", "/etc/secret cannot be read"),
            "serverInternal",
            "the server cannot do this now; its operator finds the reason in its log",
        ),
    ],
)
def test_from_refused(refused: Refused, kind: str, detail: str) -> None:
    """The domain's refusal keeps its kind, field and reason; what is no client's business stays inside."""
    problem = from_refused(refused)
    assert (kind, detail, STATUSES[kind]) == (problem.kind, problem.detail, problem.status)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, "malformed"),
        (405, "malformed"),
        (413, "malformed"),
        (415, "malformed"),
        (401, "unauthorized"),
        (429, "rateLimited"),
        (500, "serverInternal"),
        (503, "serverInternal"),
    ],
)
def test_from_status(status: int, kind: str) -> None:
    """An error of HTTP alone is a problem document too."""
    problem = from_status(status, "no", [("Allow", "POST")])
    assert (status, kind, (("Allow", "POST"),)) == (problem.status, problem.kind, problem.headers)
