"""The identifiers of a newOrder (RFC 8555 7.4, RFC 8738): read, checked, without duplicates. Pure; `orders` uses it.

They come back to the client as it spelled them, since some clients stop when they do not: DNS names keep their case,
and an IP address that is not in canonical text is refused, not rewritten.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from stages.errors import Refused
from stages.names import Name, parse_name
from supervisor.acme.problems import AcmeProblem, Subproblem

MAX_SHOWN: Final = 260
"""Characters of an identifier that comes back with the reason why it cannot be taken."""


class Identifiers(NamedTuple):
    """Names as certificates have them, and as the client spelled them, one for each."""

    names: tuple[str, ...]
    asked: tuple[str, ...]


def parse_identifiers(value: object, maximum: int) -> Identifiers:
    """Read the list; raises AcmeProblem with a subproblem for each identifier that is wrong (RFC 8555 6.7.1)."""
    if not isinstance(value, list) or not value:
        raise AcmeProblem("malformed", "identifiers: it must be a list with at least one identifier (RFC 8555 7.4)")
    # Every text costs work, so repeated names may not evade the maximum without bound either.
    if len(value) > 2 * maximum:
        raise AcmeProblem("malformed", f"identifiers: {len(value)} are given, at most {maximum} are allowed")
    spelled: dict[str, str] = {}
    faults: list[tuple[Refused, object]] = []
    for index, entry in enumerate(value):
        try:
            name, text = _parse(entry, f"identifiers[{index}]")
        except Refused as refused:
            faults.append((refused, entry))
        else:
            spelled.setdefault(name.value, text)
    if faults:
        raise _problem(faults)
    return Identifiers(tuple(spelled), tuple(spelled.values()))


def _parse(entry: object, field: str) -> tuple[Name, str]:
    kind, text = (entry.get("type"), entry.get("value")) if isinstance(entry, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(text, str):
        raise Refused("malformed", field, "it must be an object with a type and a value, both strings (RFC 8555 9.7.7)")
    if kind not in {"dns", "ip"}:
        raise Refused("unsupportedIdentifier", field, 'its type is not supported; use "dns" or "ip"')
    name = parse_name(text, field)
    if kind == "dns" and name.kind == "ip":
        raise Refused("malformed", field, 'it is an IP address, which needs the type "ip" (RFC 8738 3)')
    if kind == "ip" and name.kind == "dns":
        raise Refused("malformed", field, 'it is of the type "ip" and no IP address (RFC 8738 3)')
    return name, text


def _problem(faults: list[tuple[Refused, object]]) -> AcmeProblem:
    first = faults[0][0]
    if len(faults) == 1:
        return AcmeProblem(first.kind, f"{first.field}: {first.reason}", subproblems=_subproblems(faults))
    kinds = {refused.kind for refused, _ in faults}
    kind = first.kind if len(kinds) == 1 else "compound"
    return AcmeProblem(
        kind, f"identifiers: {len(faults)} of them cannot be taken; see subproblems", subproblems=_subproblems(faults)
    )


def _subproblems(faults: list[tuple[Refused, object]]) -> list[Subproblem]:
    return [Subproblem(refused.kind, f"{refused.field}: {refused.reason}", _shown(entry)) for refused, entry in faults]


def _shown(entry: object) -> dict[str, str] | None:
    """The identifier for its subproblem, where it is clean text."""
    if not isinstance(entry, dict):
        return None
    kind, text = entry.get("type"), entry.get("value")
    if not isinstance(kind, str) or not isinstance(text, str):
        return None
    clean = (kind + text).isascii() and (kind + text).isprintable() and len(kind + text) <= MAX_SHOWN
    return {"type": kind, "value": text} if clean else None
