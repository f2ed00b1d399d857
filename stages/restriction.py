"""What an account may ask for beyond what the CA allows: rules for names, and profiles. No I/O; anyone may import it.

The operator gives one to an account itself, or to the credential for External Account Binding that it was made with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from stages.errors import Refused
from stages.name_policy import NamePolicy

_PROFILE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NO_DOMAIN: Final = ".invalid"
"""RFC 2606 2: no name is below it that could be proven."""
_NO_ADDRESS: Final = ("0.0.0.0/0", "::/0")


class Restriction(msgspec.Struct, frozen=True):
    """What may be asked for; an empty one restricts nothing.

    Attributes:
        names: rules as of names.allow_domains and names.allow_ips: a name has to be covered by one of them. Empty
            allows what the CA allows.
        deny: rules as of names.deny_domains and names.deny_ips: no name may be touched by one of them.
        profiles: the profiles that may be asked for; empty for all.
    """

    names: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.names or self.deny or self.profiles)

    def allows_profile(self, profile: str) -> bool:
        """Whether this profile may be asked for."""
        return not self.profiles or profile in self.profiles

    def policy(self) -> NamePolicy | None:
        """The rules for names as a policy to be asked beside the CA's own; None when there are none."""
        if not (self.names or self.deny):
            return None
        domains, networks = _sorted(self.names)
        deny_domains, deny_networks = _sorted(self.deny)
        # An empty allow list allows every name of its kind; rules for one kind only are to allow none of the other.
        only = bool(self.names)
        return NamePolicy.from_settings(
            allow_domains=domains or ([_NO_DOMAIN] if only else []),
            allow_ips=networks,
            deny_domains=deny_domains,
            deny_ips=[*deny_networks, *(() if networks or not only else _NO_ADDRESS)],
        )


def parse_restriction(names: Sequence[str] = (), deny: Sequence[str] = (), profiles: Sequence[str] = ()) -> Restriction:
    """A restriction of these rules; raises Refused("config", "names" | "deny" | "profiles[0]", ...) for a bad one."""
    for index, profile in enumerate(profiles):
        if not _PROFILE.fullmatch(profile):
            raise Refused("config", f"profiles[{index}]", "it is not the name of a profile")
    for field, alone in (("names", Restriction(names=tuple(names))), ("deny", Restriction(deny=tuple(deny)))):
        try:
            alone.policy()
        except Refused as refused:
            raise Refused("config", field, f"there is a rule that cannot be used: {refused.reason}") from None
    return Restriction(tuple(names), tuple(deny), tuple(profiles))


def _sorted(rules: Sequence[str]) -> tuple[list[str], list[str]]:
    """Rules for domains, and those for addresses."""
    networks = [rule for rule in rules if _is_network(rule)]
    return [rule for rule in rules if rule not in networks], networks


def _is_network(rule: str) -> bool:
    return ":" in rule or "/" in rule or rule.replace(".", "").isdigit()
