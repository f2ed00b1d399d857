import pytest

from stages.external import Credential
from stages.name_policy import NamePolicy
from supervisor.acme.policy import check_names, check_profile
from supervisor.acme.problems import AcmeProblem, problem_object

POLICY = NamePolicy.from_settings(
    deny_domains=["secret.example"], allow_domains=["example", "test"], allow_ips=["10.0.0.0/8"], max_names=5
)
BOUND = "not covered by the names that this account's external account may ask for"


def credential(names: tuple[str, ...] = (), profiles: tuple[str, ...] = ()) -> Credential:
    return Credential(kid="kid", key="a2V5", created=1, names=names, profiles=profiles)


def test_names_allowed_by_both() -> None:
    """Names that the CA and the credential allow pass; without a credential the CA's rules are all."""
    check_names(["a.example", "*.b.example", "10.1.2.3"], POLICY, None)
    check_names(["a.example", "*.b.example", "10.1.2.3"], POLICY, credential())
    check_names(["a.example", "*.a.example", "10.1.2.3"], POLICY, credential(("a.example", "10.1.0.0/16")))


def test_names_refused_each_in_a_subproblem() -> None:
    """Every refused name, by whichever rule, is a subproblem with its identifier as the client spelled it."""
    with pytest.raises(AcmeProblem) as raised:
        check_names(
            ["a.example", "x.secret.example", "b.example", "10.2.0.1", "a.org"],
            POLICY,
            credential(("a.example", "10.1.0.0/16")),
            {"b.example": "B.Example"},
        )
    expected = {
        "type": "urn:ietf:params:acme:error:rejectedIdentifier",
        "detail": "identifiers: 4 of 5 are not allowed here; the subproblems say which, and why",
        "status": 400,
        "subproblems": [
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
                "detail": BOUND,
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
def test_names_outside_the_credential(rules: tuple[str, ...], name: str) -> None:
    """A credential with rules for one kind of name allows none of the other, nor anything its rules do not cover."""
    with pytest.raises(AcmeProblem) as raised:
        check_names([name], POLICY, credential(rules))
    assert [subproblem.detail for subproblem in raised.value.subproblems] == [BOUND]


def test_names_more_than_the_maximum() -> None:
    """As many names as names.max_names pass, one more is malformed."""
    names = [f"a{number}.example" for number in range(6)]
    check_names(names[:5], POLICY, None)
    with pytest.raises(AcmeProblem, match="6 are given, at most 5 are allowed") as raised:
        check_names(names, POLICY, None)
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
    assert expected == check_profile(asked, ["default", "short", "long"], "default", credential(profiles=allowed))


@pytest.mark.parametrize(
    ("asked", "allowed", "reason"),
    [
        ("other", (), "this CA has no profile of that name"),
        ("other", ("other",), "this CA has no profile of that name"),
        ("default", ("short",), "this account's external account may not ask for it"),
        ("", ("gone",), "may use no profile of this CA"),
    ],
)
def test_profile_refused(asked: str, allowed: tuple[str, ...], reason: str) -> None:
    """A profile that is not there, or not the credential's, is invalidProfile."""
    with pytest.raises(AcmeProblem, match=reason) as raised:
        check_profile(asked, ["default", "short"], "default", credential(profiles=allowed))
    assert raised.value.kind == "invalidProfile"
