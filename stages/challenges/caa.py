"""What CAA records permit (RFC 8659, RFC 8657): from the records of one name to a verdict. For this package alone.

Pure. Whatever is not understood forbids: a value that breaks the grammar names nobody, a parameter that says two
things is fulfilled by nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

CRITICAL: Final = 0x80
"""The Issuer Critical flag, bit 0 (RFC 8659 4.1.1)."""

KNOWN: Final = frozenset({"issue", "issuewild", "iodef", "issuemail"})
"""The properties that are understood; of these iodef (RFC 8659 4.4) and issuemail (RFC 9495) forbid nothing here."""

_WSP: Final = b" \t"
_LABEL: Final = rb"[A-Za-z0-9](?:-*[A-Za-z0-9])*"
_DOMAIN: Final = re.compile(rb"(?:%b(?:\.%b)*)?" % (_LABEL, _LABEL))
_PARAMETER: Final = re.compile(rb"[ \t]*(%b)[ \t]*=[ \t]*([\x21-\x3a\x3c-\x7e]*)[ \t]*" % _LABEL)
_METHODS: Final = re.compile(r"[A-Za-z0-9-]+(?:,[A-Za-z0-9-]+)*")


class CaaRecord(msgspec.Struct, frozen=True):
    """One CAA record (RFC 8659 4.1): its flags, its tag in lower case, and its value as it came."""

    flags: int
    tag: str
    value: bytes


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the records are asked about.

    Attributes:
        identities: the issuer domain names of this CA, lower-case.
        account_url: the URL of the account that asks, "" without one.
        methods: labels of the challenges by which the name is proven, such as "dns-01"; one that is permitted will do.
        wildcard: whether the name is a wildcard.
    """

    identities: tuple[str, ...]
    account_url: str
    methods: tuple[str, ...]
    wildcard: bool


class IssueValue(msgspec.Struct, frozen=True):
    """The value of an issue or issuewild property: a domain, "" for nobody, and parameters, tags in lower case."""

    domain: str
    parameters: tuple[tuple[str, str], ...]

    def values(self, tag: str) -> list[str]:
        """The values that a parameter has been given."""
        return [value for each, value in self.parameters if each == tag]


def judge(records: Sequence[CaaRecord], asked: Asked) -> str | None:
    """Return None when the relevant records of a name permit the certificate, or else why they do not.

    Args:
        records: the relevant resource record set (RFC 8659 3); none at all permit everything.
        asked: who wants to certify, for whom, proven by what.

    The reason holds none of the records' bytes.
    """
    if any(record.flags & CRITICAL and record.tag not in KNOWN for record in records):
        return "one of them is critical and of a kind that this CA does not know"
    wild = asked.wildcard and any(record.tag == "issuewild" for record in records)
    tag = "issuewild" if wild else "issue"  # RFC 8659 4.3: issuewild replaces issue for wildcards, and for them alone
    values = [parse_value(record.value) for record in records if record.tag == tag]
    if not values:
        return None
    ours = [value for value in values if value is not None and value.domain in asked.identities]
    if not ours:
        broken = sum(value is None for value in values)
        ill = f", and {broken} cannot be read" if broken else ""
        return f"none of the {len(values)} {tag} records names this CA ({_listed(asked.identities)}){ill}"
    reasons = [_unfulfilled(value, asked) for value in ours]
    if None in reasons:
        return None
    return f"the {tag} record that names {ours[0].domain} {reasons[0]}"


def parse_value(value: bytes) -> IssueValue | None:
    """Read the value of an issue or issuewild property (RFC 8659 4.2); None for one that breaks the grammar."""
    head, *rest = value.split(b";")
    domain = head.strip(_WSP)
    if not _DOMAIN.fullmatch(domain):
        return None
    parameters: list[tuple[str, str]] = []
    if len(rest) > 1 or any(text.strip(_WSP) for text in rest):  # a lone ";" before nothing is allowed
        for text in rest:
            found = _PARAMETER.fullmatch(text)
            if found is None:
                return None
            parameters.append((found[1].decode().lower(), found[2].decode()))
    return IssueValue(domain.decode().lower(), tuple(parameters))


def _unfulfilled(value: IssueValue, asked: Asked) -> str | None:
    """Which parameter of RFC 8657 stands against it, None for none; parameters of other kinds are passed over."""
    accounts, methods = value.values("accounturi"), value.values("validationmethods")
    if len(accounts) > 1 or len(methods) > 1:
        return "says accounturi or validationmethods twice, which nobody fulfils"
    if accounts and (not asked.account_url or accounts[0] != asked.account_url):
        return "permits another account than this one (accounturi)"
    if methods and not _permitted(methods[0], asked.methods):
        return f"does not permit what the name was proven by, {_listed(asked.methods)} (validationmethods)"
    return None


def _permitted(text: str, methods: Iterable[str]) -> bool:
    return bool(_METHODS.fullmatch(text)) and not set(text.split(",")).isdisjoint(methods)


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(texts) or "no identity is set"
