"""Which names the operator's rules let through."""

from __future__ import annotations

from typing import Any

import pytest

from stages.errors import Refused
from stages.name_policy import NamePolicy

ALLOW = {"allow_domains": ["example.com", ".lan"], "allow_ips": ["10.0.0.0/8", "fd00::/8"]}
DENY = {"deny_domains": ["secret.example.com", ".below.example.com"], "deny_ips": ["10.6.6.0/24"]}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("example.com", None),
        ("a.example.com", None),
        ("a.b.example.com", None),
        ("xexample.com", "not covered by any entry of names.allow_domains"),
        ("example.org", "not covered by any entry of names.allow_domains"),
        ("lan", "not covered by any entry of names.allow_domains"),
        ("nas.lan", None),
        ("*.lan", None),
        ("secret.example.com", "denied by names.deny_domains entry 'secret.example.com'"),
        ("a.secret.example.com", "denied by names.deny_domains entry 'secret.example.com'"),
        ("*.example.com", "denied by names.deny_domains entry 'secret.example.com'"),
        ("below.example.com", None),
        ("*.below.example.com", "denied by names.deny_domains entry '.below.example.com'"),
        ("*.b.example.com", None),
        ("10.1.2.3", None),
        ("10.6.6.6", "denied by names.deny_ips entry '10.6.6.0/24'"),
        ("192.168.0.1", "not covered by any entry of names.allow_ips"),
        ("fd00::1", None),
        ("2001:db8::1", "not covered by any entry of names.allow_ips"),
    ],
)
def test_verdicts_name_the_rule(name: str, reason: str | None) -> None:
    """Deny beats allow, a wildcard is all that it can stand for, and the reason names the rule that spoke."""
    policy = NamePolicy.from_settings(**ALLOW, **DENY)  # type: ignore[arg-type]  # lists of rules only
    assert [(name, reason)] == policy.verdicts([name])


@pytest.mark.parametrize("name", ["any.example", "*.any.example", "192.0.2.1", "2001:db8::1", "nas"])
def test_check_allows_all_without_rules(name: str) -> None:
    """An empty policy lets every name through."""
    NamePolicy.from_settings().check([name])


@pytest.mark.parametrize(
    ("settings", "names", "field", "reason"),
    [
        (
            {"wildcards": False},
            ["a.example", "*.example"],
            "*.example",
            "wildcard names are off (names.wildcards)",
        ),
        (
            {"max_names": 1},
            ["a.example", "b.example"],
            "names",
            "2 names are asked for, names.max_names is 1",
        ),
        (
            {"allow_domains": ["example"]},
            ["a.example", "b.test"],
            "b.test",
            "not covered by any entry of names.allow_domains",
        ),
    ],
)
def test_check_refuses(settings: dict[str, Any], names: list[str], field: str, reason: str) -> None:
    """The first name that is not allowed is the field of the error."""
    with pytest.raises(Refused) as caught:
        NamePolicy.from_settings(**settings).check(names)
    assert ("rejectedIdentifier", field, reason) == (
        caught.value.kind,
        caught.value.field,
        caught.value.reason,
    )


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"allow_domains": ["ok.example", "not ok"]}, "names.allow_domains[1]"),
        ({"allow_domains": [""]}, "names.allow_domains[0]"),
        ({"deny_domains": ["*.example"]}, "names.deny_domains[0]"),
        ({"deny_domains": ["10.0.0.1"]}, "names.deny_domains[0]"),
        ({"deny_domains": ["..example"]}, "names.deny_domains[0]"),
        ({"allow_ips": ["10.0.0.1/8"]}, "names.allow_ips[0]"),
        ({"deny_ips": ["10.0.0.0/8", "a.example"]}, "names.deny_ips[1]"),
        ({"max_names": 0}, "names.max_names"),
    ],
)
def test_from_settings_refuses(settings: dict[str, Any], field: str) -> None:
    """A rule that is none is refused at start, by its place in the configuration."""
    with pytest.raises(Refused) as caught:
        NamePolicy.from_settings(**settings)
    assert ("config", field) == (caught.value.kind, caught.value.field)
