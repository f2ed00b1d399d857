"""Reads and shows what accounts may ask for: the options --name, --deny and --profile. For `supervisor.cli`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from stages.errors import Refused
from stages.restriction import Restriction
from supervisor.cli import output
from supervisor.config import Settings

OPTIONS: Final = {"names": "--name", "deny": "--deny", "profiles": "--profile"}
"""The options by the fields that `stages.restriction` names."""


def restricting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options; they come as `names`, `deny` and `profiles`."""
    for option in (
        click.option("--profile", "profiles", multiple=True, help="Only these profiles."),
        click.option("--deny", multiple=True, metavar="RULE", help="No names that it touches: a domain or a CIDR."),
        click.option(
            "--name", "names", multiple=True, metavar="RULE", help="Only names that it covers: a domain or a CIDR."
        ),
    ):
        command = option(command)
    return command


def check_profiles(profiles: Sequence[str], settings: Settings) -> None:
    """Raise Refused for a profile that is not in the settings."""
    for profile in profiles:
        if profile not in settings.profiles:
            known = ", ".join(settings.profiles)
            raise Refused("malformed", "--profile", f"there is no such profile in the settings; there are: {known}")


def of_option(refused: Refused) -> Refused:
    """The same refusal, of the option that gave the field."""
    field = refused.field.partition("[")[0]
    return Refused("malformed", OPTIONS.get(field, f"--{field}"), refused.reason)


def as_json(restriction: Restriction) -> dict[str, list[str]]:
    """A restriction; empty lists are no restriction."""
    return {
        "names": list(restriction.names),
        "deny": list(restriction.deny),
        "profiles": list(restriction.profiles),
    }


def in_words(restriction: Restriction) -> str:
    """A restriction for a table; "" for none."""
    said = (("only ", restriction.names), ("never ", restriction.deny), ("profiles ", restriction.profiles))
    return "; ".join(word + output.some(rules) for word, rules in said if rules)
