"""What the operator lets an account or a credential ask for."""

from __future__ import annotations

from typing import Any

import pytest

from stages.errors import Refused
from stages.restriction import Restriction, parse_restriction


def allows(restriction: Restriction, name: str) -> bool:
    """Whether it lets a name through."""
    policy = restriction.policy()
    return policy is None or policy.verdicts([name])[0][1] is None


@pytest.mark.parametrize(
    ("names", "deny", "name", "allowed"),
    [
        ((), (), "any.example", True),
        (("a.example",), (), "a.example", True),
        (("a.example",), (), "x.a.example", True),
        (("a.example",), (), "*.a.example", True),
        (("A.example",), (), "x.a.example", True),
        ((".a.example",), (), "a.example", False),
        (("a.example",), (), "b.example", False),
        (("a.example",), (), "192.0.2.1", False),
        (("a.example",), (), "2001:db8::1", False),
        (("192.0.2.0/24",), (), "192.0.2.1", True),
        (("192.0.2.0/24",), (), "192.0.3.1", False),
        (("192.0.2.0/24",), (), "2001:db8::1", False),
        (("192.0.2.0/24",), (), "a.example", False),
        (("192.0.2.1",), (), "192.0.2.1", True),
        (("2001:db8::/32",), (), "2001:db8::1", True),
        (("2001:db8::/32", "a.example"), (), "a.example", True),
        (("2001:db8::/32", "a.example"), (), "192.0.2.1", False),
        ((), ("a.example",), "a.example", False),
        ((), ("a.example",), "x.a.example", False),
        ((), ("x.a.example",), "*.a.example", False),
        ((), (".a.example",), "a.example", True),
        ((), ("a.example",), "b.example", True),
        ((), ("a.example",), "192.0.2.1", True),
        ((), ("192.0.2.0/24",), "192.0.2.1", False),
        ((), ("192.0.2.0/24",), "192.0.3.1", True),
        ((), ("192.0.2.0/24",), "2001:db8::1", True),
        ((), ("192.0.2.0/24",), "a.example", True),
        (("a.example",), ("x.a.example",), "y.a.example", True),
        (("a.example",), ("x.a.example",), "x.a.example", False),
        (("192.0.2.0/24",), ("192.0.2.1",), "192.0.2.2", True),
        (("192.0.2.0/24",), ("192.0.2.1",), "192.0.2.1", False),
        (("a.example",), ("192.0.2.1",), "192.0.2.2", False),
    ],
)
def test_restriction_of_names(names: tuple[str, ...], deny: tuple[str, ...], name: str, *, allowed: bool) -> None:
    """Denied beats allowed; allow rules for one kind of name allow none of the other, deny rules touch their own."""
    assert allowed is allows(parse_restriction(names, deny), name)


def test_restriction_of_profiles() -> None:
    """None named allows all."""
    assert Restriction().allows_profile("server")
    limited = parse_restriction(profiles=("server",))
    assert [limited.allows_profile(name) for name in ("server", "client")] == [True, False]


def test_restriction_of_nothing_is_none() -> None:
    """It is false, and has nothing to ask; one with anything in it is true."""
    assert not Restriction()
    assert Restriction().policy() is None
    assert all([parse_restriction(["a.example"]), parse_restriction((), ["a.example"]), parse_restriction((), (), "p")])


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"names": ("a b",)}, "names"),
        ({"names": ("*.a.example",)}, "names"),
        ({"names": ("10.0.0.1/8",)}, "names"),
        ({"names": ("",)}, "names"),
        ({"names": (".",)}, "names"),
        ({"names": ("a.example",), "deny": ("a.example", "\x1b")}, "deny"),
        ({"deny": ("10.0.0.0/33",)}, "deny"),
        ({"profiles": ("ok", "not ok")}, "profiles[1]"),
        ({"profiles": ("",)}, "profiles[0]"),
    ],
)
def test_restriction_that_cannot_be(rules: dict[str, Any], field: str) -> None:
    """The field is named."""
    with pytest.raises(Refused) as raised:
        parse_restriction(**rules)
    assert ("config", field) == (raised.value.kind, raised.value.field)
