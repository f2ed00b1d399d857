"""What a name is: the DNS names and IP addresses that a certificate can be for (RFC 8555 7.1.4, RFC 8738).

Every name that comes in, from an order, a CSR or the command line, passes `parse_name`; nothing behind it
sees an unchecked name. No I/O, no policy (`stages.name_policy` has that); anyone may import it.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Final, Literal

import idna
import msgspec

from stages.errors import Refused

MAX_NAME_BYTES: Final = 253
"""RFC 1035 2.3.4: 255 bytes on the wire are 253 in text."""

LDH_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
DOTTED_DIGITS: Final = re.compile(r"[0-9.]+")
ENDS_IN_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Name(msgspec.Struct, frozen=True):
    """One checked name.

    Attributes:
        kind: the RFC 8555 and RFC 8738 identifier type, "dns" or "ip".
        value: the name as it stands in a certificate: lower-case, canonical.
        wildcard: whether it begins with "*.".
        base: the value without "*.".
    """

    kind: Literal["dns", "ip"]
    value: str
    wildcard: bool
    base: str


@lru_cache(maxsize=4096)  # a session's few names are parsed by every stage
def parse_name(text: str, field: str = "name") -> Name:
    """Check one name; DNS names may come in any case, IP addresses must be in their canonical text.

    Errors name `field`: `malformed` (not a name), `unsupportedIdentifier` (an identifier of another type) and
    `rejectedIdentifier` (an address that no host can have).
    """
    if not text:
        raise Refused("malformed", field, "the name is empty")
    if len(text) > MAX_NAME_BYTES:
        raise Refused("malformed", field, f"the name is longer than {MAX_NAME_BYTES} bytes")
    if not text.isascii():
        raise Refused("malformed", field, "the name is not ASCII; write an international name as A-labels (xn--)")
    if not text.isprintable():
        raise Refused("malformed", field, "the name holds a control character")
    _refuse_other_types(text, field)
    if ":" in text or DOTTED_DIGITS.fullmatch(text):
        return _parse_ip(text, field)
    return _parse_dns(text.lower(), field)


def parse_names(texts: list[str], maximum: int, field: str = "names") -> tuple[str, ...]:
    """Check a list of names and give their values: lower-case, in the order given, duplicates removed.

    Raises Refused for an empty list, for more than `maximum` distinct names, and as `parse_name` does; the
    field is then such as "names[2]".
    """
    if not texts:
        raise Refused("malformed", field, "no name is given")
    # Every text costs work, so repeated names may not evade the maximum without bound either.
    if len(texts) > 2 * maximum:
        raise Refused("rejectedIdentifier", field, f"{len(texts)} names are given, at most {maximum} are allowed")
    values = dict.fromkeys(parse_name(text, f"{field}[{index}]").value for index, text in enumerate(texts))
    if len(values) > maximum:
        raise Refused("rejectedIdentifier", field, f"{len(values)} names are given, at most {maximum} are allowed")
    return tuple(values)


def _refuse_other_types(text: str, field: str) -> None:
    """Say so when the text is an identifier of a type that this CA does not certify."""
    if "://" in text:
        raise Refused("unsupportedIdentifier", field, "it is a URL; give the host name or the IP address alone")
    if "@" in text:
        raise Refused(
            "unsupportedIdentifier",
            field,
            "it is an e-mail address; only DNS names and IP addresses are issued",
        )
    if "/" in text:
        raise Refused("unsupportedIdentifier", field, "it is a network or a path; give one host name or IP address")
    if "%" in text:
        raise Refused("unsupportedIdentifier", field, "an address with a zone id has no meaning outside one host")


def _parse_ip(text: str, field: str) -> Name:
    """Check an address: RFC 8738 3 wants IPv4 in dotted decimal and IPv6 in the text form of RFC 5952."""
    try:
        address: IPAddress = ipaddress.ip_address(text)
    except ValueError:
        if DOTTED_DIGITS.fullmatch(text):
            raise Refused("malformed", field, "it looks like an IPv4 address but is not four decimal bytes") from None
        raise Refused(
            "malformed", field, "it holds a colon but is not an IPv6 address (no port, no brackets)"
        ) from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        raise Refused("unsupportedIdentifier", field, "it is an IPv4-mapped address; give the IPv4 address itself")
    if str(address) != text:
        raise Refused("malformed", field, f"the address is not in canonical text (RFC 5952), which is {address}")
    if address.is_unspecified or address.is_multicast or text == "255.255.255.255":
        raise Refused("rejectedIdentifier", field, f"no host can have the address {address}")
    return Name("ip", text, wildcard=False, base=text)


def _parse_dns(text: str, field: str) -> Name:
    """Check a lower-case DNS name label by label (RFC 5890 2.3.1; wildcards as RFC 6125 6.4.3 reads them)."""
    wildcard = text.startswith("*.")
    base = text[2:] if wildcard else text
    if text == "*" or base == "":
        raise Refused("malformed", field, "a wildcard needs at least one label below it, such as *.example.com")
    if "*" in base:
        raise Refused("malformed", field, "a wildcard may only be the whole leftmost label, such as *.example.com")
    if base.endswith("."):
        raise Refused("malformed", field, "the name ends in a dot")
    labels = base.split(".")
    for label in labels:
        _check_label(label, field)
    if ENDS_IN_NUMBER.fullmatch(labels[-1]):
        raise Refused("malformed", field, "the last label is a number, so the name would be read as an address")
    return Name("dns", text, wildcard, base)


def _check_label(label: str, field: str) -> None:
    if not label:
        raise Refused("malformed", field, "the name has an empty label")
    if len(label) > 63:  # noqa: PLR2004  RFC 1035 2.3.4
        raise Refused("malformed", field, "a label is longer than 63 bytes")
    if not LDH_LABEL.fullmatch(label):
        raise Refused("malformed", field, "a label may hold letters, digits and inner hyphens only")
    if label[2:4] != "--":
        return
    if not label.startswith("xn--"):
        raise Refused("malformed", field, "hyphens in the third and fourth place are reserved (RFC 5890 2.3.1)")
    try:
        idna.ulabel(label)
    except idna.IDNAError:
        raise Refused("malformed", field, f"the label {label} is no A-label of IDNA 2008 (RFC 5891 5.4)") from None
