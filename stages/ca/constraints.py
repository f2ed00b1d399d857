"""Name constraints of CA certificates (RFC 5280 4.2.1.10): writing them, and asking about a name.

`stages.ca` only. The verifier of `cryptography` applies them too; here they give a client its answer before
it has proven anything, and they are applied for the whole chain.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from cryptography import x509

from stages.errors import Refused
from stages.names import Name, parse_name

EVERY_IP = ("0.0.0.0/0", "::/0")


def name_constraints(permitted: Sequence[str], excluded: Sequence[str]) -> x509.NameConstraints | None:
    """The extension for lists of domains ("example.com": it and all below) and networks ("10.0.0.0/8").

    RFC 5280 leaves a kind of name free that no permitted entry mentions. Who permits domains only does not
    mean "and every IP address", so all of those are then excluded.
    """
    allowed = [_general_name("name_constraints.permitted", index, text) for index, text in enumerate(permitted)]
    denied = [_general_name("name_constraints.excluded", index, text) for index, text in enumerate(excluded)]
    if allowed and not any(isinstance(entry, x509.IPAddress) for entry in allowed):
        denied += [x509.IPAddress(ipaddress.ip_network(network)) for network in EVERY_IP]
    if not allowed and not denied:
        return None
    return x509.NameConstraints(allowed or None, denied or None)


def why_outside(constraints: x509.NameConstraints, name: Name) -> str | None:
    """Which entry of one CA certificate's constraints speaks against the name, None when none does."""
    for entry in constraints.excluded_subtrees or ():
        if _matches(entry, name, touching=True):
            return f"excluded by '{entry.value}'"
    permitted = _of_kind(constraints.permitted_subtrees or (), name)
    if permitted and not any(_matches(entry, name, touching=False) for entry in permitted):
        return "not under any permitted entry"
    return None


def _general_name(field: str, index: int, text: str) -> x509.DNSName | x509.IPAddress:
    field = f"{field}[{index}]"
    if "/" in text:
        try:
            return x509.IPAddress(ipaddress.ip_network(text))
        except ValueError:
            raise Refused("config", field, "it is not a network such as 10.0.0.0/8 or fd00::/8") from None
    try:
        name = parse_name(text, field)
    except Refused as refused:
        raise Refused("config", field, refused.reason) from None
    if name.kind == "ip":
        raise Refused("config", field, f"write the address as a network, {text}/{128 if ':' in text else 32}")
    if name.wildcard:
        raise Refused("config", field, f"write {name.base}, which covers all below it")
    return x509.DNSName(name.value)


def _of_kind(entries: Iterable[x509.GeneralName], name: Name) -> list[x509.GeneralName]:
    wanted = x509.DNSName if name.kind == "dns" else x509.IPAddress
    return [entry for entry in entries if isinstance(entry, wanted)]


def _matches(entry: x509.GeneralName, name: Name, *, touching: bool) -> bool:
    """Whether the subtree holds the name, or with `touching` any host that a wildcard can stand for."""
    if isinstance(entry, x509.IPAddress) and name.kind == "ip":
        network = entry.value
        return isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network) and (
            ipaddress.ip_address(name.value) in network
        )
    if isinstance(entry, x509.DNSName) and name.kind == "dns":
        domain = entry.value.lower().removeprefix(".")
        inside = domain in ("", name.base) or name.base.endswith("." + domain)
        return inside or (touching and name.wildcard and domain.partition(".")[2] == name.base)
    return False
