"""Which names this CA may issue for: the operator's rules, asked before any challenge and again at issue.

No I/O and no TOML: `NamePolicy.from_settings` takes plain lists. Anyone may import it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

import msgspec

from stages.errors import Refused
from stages.names import Name, parse_name

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class DomainRule(msgspec.Struct, frozen=True):
    """A suffix rule: "example.com" is the domain and all below it, ".example.com" only what is below it.

    Attributes:
        text: as the operator wrote it.
        domain: without the leading dot.
        below_only: whether it had a leading dot.
    """

    text: str
    domain: str
    below_only: bool

    def covers(self, name: Name) -> bool:
        """Whether every host that the name can stand for is under the rule: what an allow rule asks."""
        if name.base == self.domain:
            return name.wildcard or not self.below_only
        return name.base.endswith("." + self.domain)

    def touches(self, name: Name) -> bool:
        """Whether any host that the name can stand for is under the rule: what a deny rule asks.

        The wildcard *.example.com stands for secret.example.com too, so a rule that denies the latter
        denies both.
        """
        if self.covers(name):
            return True
        return name.wildcard and not self.below_only and self.domain.partition(".")[2] == name.base


class NamePolicy(msgspec.Struct, frozen=True):
    """The rules. Deny beats allow; an empty allow list allows every name of its kind."""

    allow_domains: tuple[DomainRule, ...] = ()
    deny_domains: tuple[DomainRule, ...] = ()
    allow_ips: tuple[Network, ...] = ()
    deny_ips: tuple[Network, ...] = ()
    wildcards: bool = True
    max_names: int = 100

    @classmethod
    def from_settings(
        cls,
        *,
        allow_domains: Sequence[str] = (),
        deny_domains: Sequence[str] = (),
        allow_ips: Sequence[str] = (),
        deny_ips: Sequence[str] = (),
        wildcards: bool = True,
        max_names: int = 100,
    ) -> NamePolicy:
        """Check the rules as written; raises Refused("config", "names.deny_ips[1]", ...)."""
        if max_names < 1:
            raise Refused("config", "names.max_names", "it must be at least 1")
        return cls(
            _domain_rules("names.allow_domains", allow_domains),
            _domain_rules("names.deny_domains", deny_domains),
            _networks("names.allow_ips", allow_ips),
            _networks("names.deny_ips", deny_ips),
            wildcards,
            max_names,
        )

    def check(self, names: Sequence[str]) -> None:
        """Raise Refused("rejectedIdentifier", name, reason) for the first name that is not allowed."""
        if len(names) > self.max_names:
            raise Refused(
                "rejectedIdentifier",
                "names",
                f"{len(names)} names are asked for, names.max_names is {self.max_names}",
            )
        for name, reason in self.verdicts(names):
            if reason is not None:
                raise Refused("rejectedIdentifier", name, reason)

    def verdicts(self, names: Iterable[str]) -> list[tuple[str, str | None]]:
        """For each name why it is refused, or None: what RFC 8555 6.7.1 subproblems are made of."""
        return [(text, self._verdict(parse_name(text))) for text in names]

    def _verdict(self, name: Name) -> str | None:
        if name.kind == "ip":
            return self._ip_verdict(ipaddress.ip_address(name.value))
        if name.wildcard and not self.wildcards:
            return "wildcard names are off (names.wildcards)"
        for rule in self.deny_domains:
            if rule.touches(name):
                return f"denied by names.deny_domains entry '{rule.text}'"
        if self.allow_domains and not any(rule.covers(name) for rule in self.allow_domains):
            return "not covered by any entry of names.allow_domains"
        return None

    def _ip_verdict(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str | None:
        for network in self.deny_ips:
            if address in network:
                return f"denied by names.deny_ips entry '{network}'"
        if self.allow_ips and not any(address in network for network in self.allow_ips):
            return "not covered by any entry of names.allow_ips"
        return None


def _domain_rules(setting: str, texts: Sequence[str]) -> tuple[DomainRule, ...]:
    rules = []
    for index, text in enumerate(texts):
        field = f"{setting}[{index}]"
        try:
            name = parse_name(text.removeprefix("."), field)
        except Refused as refused:
            raise Refused("config", field, refused.reason) from None
        if name.kind != "dns" or name.wildcard:
            raise Refused("config", field, "a rule is a domain such as example.com or .example.com, without a wildcard")
        rules.append(DomainRule(text.lower(), name.value, text.startswith(".")))
    return tuple(rules)


def _networks(setting: str, texts: Sequence[str]) -> tuple[Network, ...]:
    networks = []
    for index, text in enumerate(texts):
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError:
            raise Refused(
                "config",
                f"{setting}[{index}]",
                "it is not a network such as 10.0.0.0/8 or fd00::/8 (no bits may be set behind the prefix)",
            ) from None
    return tuple(networks)
