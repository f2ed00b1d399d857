import pytest

from stages.account import Account, AccountStatus
from stages.external import Credential
from stages.name_policy import NamePolicy
from stages.restriction import Restriction
from supervisor.acme.policy import Bound, bounds_of, check_names, check_profile
from supervisor.acme.problems import AcmeProblem, problem_object

POLICY = NamePolicy.from_settings(
    deny_domains=["secret.example"], allow_domains=["example", "test"], allow_ips=["10.0.0.0/8"], max_names=5
)
OWN = "not one of the names that this account may ask for"
BOUND = "not one of the names that this account's external account may ask for"


def bounds(
    names: tuple[str, ...] = (),
    profiles: tuple[str, ...] = (),
    own: Restriction = Restriction(),  # noqa: B008  it is frozen
) -> tuple[Bound, ...]:
    """What binds an account with a restriction of its own and a credential with these rules."""
    account = Account(id="a", created=1, status=AccountStatus.VALID, jwk="{}", thumbprint="t", restriction=own)
    rules = Restriction(names, (), profiles)
    return bounds_of(account, Credential(kid="kid", key="a2V5", created=1, restriction=rules))


def test_names_allowed_by_all() -> None:
    """Names that the CA, the credential and the account's own rules allow pass; without others the CA's are all."""
    check_names(["a.example", "*.b.example", "10.1.2.3"], POLICY, ())
    check_names(["a.example", "*.b.example", "10.1.2.3"], POLICY, bounds())
    own = Restriction(deny=("b.example",))
    check_names(["a.example", "*.a.example", "10.1.2.3"], POLICY, bounds(("a.example", "10.1.0.0/16"), own=own))


def test_names_refused_each_in_a_subproblem() -> None:
    """Every refused name, by whichever rule, is a subproblem with its identifier as the client spelled it."""
    with pytest.raises(AcmeProblem) as raised:
        check_names(
            ["a.example", "x.secret.example", "b.example", "10.2.0.1", "a.org"],
            POLICY,
            bounds(("a.example", "10.1.0.0/16"), own=Restriction(deny=("10.2.0.0/16", "a.example"))),
            {"b.example": "B.Example"},
        )
    expected = {
        "type": "urn:ietf:params:acme:error:rejectedIdentifier",
        "detail": "identifiers: 5 of 5 are not allowed here; the subproblems say which, and why",
        "status": 400,
        "subproblems": [
            {
                "type": "urn:ietf:params:acme:error:rejectedIdentifier",
                "detail": OWN,
                "identifier": {"type": "dns", "value": "a.example"},
            },
            {
                "type": "urn:ietf:params:acme:error:rejectedIdentifier",
                "detail": "denied by names.deny_domains entry 'secret.example'",
                "identifier": {"type": "dns", "value": "x.secret.example"},
            },
            {
                "type": "urn:ietf:params:acme:error:rejectedIdentifier",
                "detail": BOUND,
                "identifier": {"type": "dns", "value": "B.Example"},
            },
            {
                "type": "urn:ietf:params:acme:error:rejectedIdentifier",
                "detail": OWN,
                "identifier": {"type": "ip", "value": "10.2.0.1"},
            },
            {
                "type": "urn:ietf:params:acme:error:rejectedIdentifier",
                "detail": "not covered by any entry of names.allow_domains",
                "identifier": {"type": "dns", "value": "a.org"},
            },
        ],
    }
    assert expected == problem_object(raised.value)


@pytest.mark.parametrize(
    ("rules", "name"),
    [
        (("10.0.0.0/8",), "a.example"),
        (("a.example",), "10.0.0.1"),
        ((".a.example",), "a.example"),
        (("a.b.example",), "*.b.example"),
        (("a.example",), "aa.example"),
    ],
)
def test_names_out_of_bounds(rules: tuple[str, ...], name: str) -> None:
    """Rules for one kind of name allow none of the other, nor anything they do not cover, whosever they are."""
    with pytest.raises(AcmeProblem) as raised:
        check_names([name], POLICY, bounds(rules))
    assert [subproblem.detail for subproblem in raised.value.subproblems] == [BOUND]
    with pytest.raises(AcmeProblem) as raised:
        check_names([name], POLICY, bounds(own=Restriction(rules)))
    assert [subproblem.detail for subproblem in raised.value.subproblems] == [OWN]


def test_names_more_than_the_maximum() -> None:
    """As many names as names.max_names pass, one more is malformed."""
    names = [f"a{number}.example" for number in range(6)]
    check_names(names[:5], POLICY, ())
    with pytest.raises(AcmeProblem, match="6 are given, at most 5 are allowed") as raised:
        check_names(names, POLICY, ())
    assert raised.value.kind == "malformed"


@pytest.mark.parametrize(
    ("asked", "allowed", "expected"),
    [
        ("", (), "default"),
        ("short", (), "short"),
        ("default", ("default",), "default"),
        ("", ("short", "default"), "default"),
        ("", ("short",), "short"),
        ("", ("gone", "long", "short"), "short"),
    ],
)
def test_profile_chosen(asked: str, allowed: tuple[str, ...], expected: str) -> None:
    """The profile asked for; without one the default, or the first of the configuration that the credential allows."""
    assert expected == check_profile(asked, ["default", "short", "long"], "default", bounds(profiles=allowed))


@pytest.mark.parametrize(
    ("asked", "allowed", "reason"),
    [
        ("other", (), "this CA has no profile of that name"),
        ("other", ("other",), "this CA has no profile of that name"),
        ("default", ("short",), "this account's external account may not ask for it"),
        ("", ("gone",), "this account may use no profile of this CA"),
    ],
)
def test_profile_refused(asked: str, allowed: tuple[str, ...], reason: str) -> None:
    """A profile that is not there, or not the credential's, is invalidProfile."""
    with pytest.raises(AcmeProblem, match=reason) as raised:
        check_profile(asked, ["default", "short"], "default", bounds(profiles=allowed))
    assert raised.value.kind == "invalidProfile"


def test_profile_has_to_be_allowed_by_all() -> None:
    """The first in the configuration that account and credential allow; who does not allow another one is named."""
    both = bounds(profiles=("short", "long"), own=Restriction(profiles=("default", "long")))
    assert check_profile("", ["default", "short", "long"], "default", both) == "long"
    with pytest.raises(AcmeProblem, match="this account may not ask for it"):
        check_profile("short", ["default", "short", "long"], "default", both)
    with pytest.raises(AcmeProblem, match="this account's external account may not ask for it"):
        check_profile("default", ["default", "short", "long"], "default", both)
