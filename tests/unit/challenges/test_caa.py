"""What CAA records permit (RFC 8659, RFC 8657), as tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.challenges.caa import Asked, CaaRecord, IssueValue, judge, parse_value

URL = "https://acme.example/acme/account/1"
OTHER_URL = "https://acme.example/acme/account/12"


def record(text: str) -> CaaRecord:
    """A record in zone file form, its value in quotes or not."""
    flags, tag, value = text.split(" ", 2)
    return CaaRecord(int(flags), tag, value.strip("'").encode("latin-1"))


def verdict(
    *records: str,
    identities: tuple[str, ...] = ("ca.example",),
    account_url: str = URL,
    methods: tuple[str, ...] = ("http-01",),
    wildcard: bool = False,
) -> str | None:
    asked = Asked(identities=identities, account_url=account_url, methods=methods, wildcard=wildcard)
    return judge([record(text) for text in records], asked)


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([], id="no records"),
        pytest.param(["0 iodef mailto:a@a.example"], id="only a place for reports"),
        pytest.param(["128 iodef mailto:a@a.example"], id="a critical iodef is understood"),
        pytest.param(["128 issuemail ca.test"], id="mail certificates are another matter (RFC 9495)"),
        pytest.param(["0 future 'x'"], id="an unknown kind that is not critical"),
        pytest.param(["127 future 'x'"], id="flags that are reserved mean nothing"),
        pytest.param(["0 issue ca.example"], id="we are named"),
        pytest.param(["128 issue ca.example"], id="critically"),
        pytest.param(["0 issue CA.Example"], id="in any case"),
        pytest.param(["0 issue ' \tca.example \t'"], id="between spaces"),
        pytest.param(["0 issue ca.example;"], id="an empty list of parameters"),
        pytest.param(["0 issue 'ca.example; policy=ev'"], id="a parameter of another kind"),
        pytest.param(["0 issue other.test", "0 issue ca.example"], id="beside another CA"),
        pytest.param(["0 issue ;", "0 issue ca.example"], id="beside nobody"),
        pytest.param(["0 issue %%%", "0 issue ca.example"], id="beside what cannot be read"),
        pytest.param(["0 issuewild ;"], id="wildcards alone are forbidden"),
        pytest.param(["0 issuewild ;", "0 issue ca.example"], id="wildcards are another matter"),
        pytest.param([f"0 issue ca.example;accounturi={URL}"], id="our account"),
        pytest.param([f"0 issue 'ca.example ; AccountURI = {URL} '"], id="our account, in any case and spacing"),
        pytest.param(
            [f"0 issue ca.example;accounturi={OTHER_URL}", f"0 issue ca.example;accounturi={URL}"],
            id="one of several accounts",
        ),
        pytest.param(["0 issue ca.example;validationmethods=http-01"], id="our method"),
        pytest.param(["0 issue ca.example;validationmethods=dns-01,http-01"], id="one of several methods"),
        pytest.param(
            [f"0 issue 'ca.example; validationmethods=http-01; accounturi={URL}'"], id="both parameters of RFC 8657"
        ),
    ],
)
def test_permitted(records: list[str]) -> None:
    """What permits a certificate for a name."""
    assert verdict(*records) is None


CRITICAL = "one of them is critical and of a kind that this CA does not know"
NONE = "none of the {} issue records names this CA (ca.example)"
ACCOUNT = "the issue record that names ca.example permits another account than this one (accounturi)"
METHOD = (
    "the issue record that names ca.example does not permit what the name was proven by, http-01 (validationmethods)"
)
TWICE = "the issue record that names ca.example says accounturi or validationmethods twice, which nobody fulfils"


@pytest.mark.parametrize(
    ("records", "why"),
    [
        (["0 issue ;"], NONE.format(1)),
        (["0 issue ''"], NONE.format(1)),
        (["0 issue '; policy=x'"], NONE.format(1)),
        (["0 issue other.test"], NONE.format(1)),
        (["0 issue other.test", "0 issue third.test", "0 issuewild ca.example"], NONE.format(2)),
        (["0 issue sub.ca.example"], NONE.format(1)),
        (["0 issue ca.example."], NONE.format(1) + ", and 1 cannot be read"),
        (["0 issue 'ca.example other'"], NONE.format(1) + ", and 1 cannot be read"),
        (["0 issue 'ca.example; policy'"], NONE.format(1) + ", and 1 cannot be read"),
        (["0 issue 'ca.example; a=b;'"], NONE.format(1) + ", and 1 cannot be read"),
        (["0 issue 'ca.example; a=b c'"], NONE.format(1) + ", and 1 cannot be read"),
        (["0 issue 'ca.example; a=\xe4'"], NONE.format(1) + ", and 1 cannot be read"),
        (["0 issue 'ca.example\n'", "0 issue '\x1b[31m'"], NONE.format(2) + ", and 2 cannot be read"),
        (["128 future x", "0 issue ca.example"], CRITICAL),
        (["255 future x", "0 issue ca.example"], CRITICAL),
        (["128 future x"], CRITICAL),
        ([f"0 issue ca.example;accounturi={OTHER_URL}"], ACCOUNT),
        ([f"0 issue ca.example;accounturi={URL.upper()}"], ACCOUNT),
        (["0 issue ca.example;accounturi="], ACCOUNT),
        ([f"0 issue 'ca.example; accounturi={URL}; accounturi={URL}'"], TWICE),
        (["0 issue 'ca.example; validationmethods=http-01; ValidationMethods=dns-01'"], TWICE),
        (["0 issue ca.example;validationmethods=dns-01"], METHOD),
        (["0 issue ca.example;validationmethods="], METHOD),
        (["0 issue ca.example;validationmethods=HTTP-01"], METHOD),
        (["0 issue ca.example;validationmethods=http-01,"], METHOD),
        (["0 issue ca.example;validationmethods=http-01,dns_01"], METHOD),
        ([f"0 issue 'ca.example; validationmethods=dns-01; accounturi={URL}'"], METHOD),
        (
            [f"0 issue ca.example;accounturi={OTHER_URL}", "0 issue ca.example;validationmethods=dns-01"],
            ACCOUNT,
        ),
    ],
)
def test_forbidden(records: list[str], why: str) -> None:
    """What forbids it, and the reason, which holds none of the records' bytes."""
    assert why == verdict(*records)


@pytest.mark.parametrize(
    ("records", "permitted"),
    [
        (["0 issue ca.example"], True),
        (["0 issue ca.example", "0 issuewild ;"], False),
        (["0 issue ;", "0 issuewild ca.example"], True),
        (["0 issuewild other.test"], False),
        (["0 issuewild %%%", "0 issue ca.example"], False),
        (["0 iodef mailto:a@a.example"], True),
        (["0 issuewild 'ca.example; validationmethods=http-01'"], True),
        (["0 issuewild 'ca.example; validationmethods=dns-01'"], False),
    ],
)
def test_wildcard(records: list[str], *, permitted: bool) -> None:
    """For a wildcard issuewild replaces issue (RFC 8659 4.3), with the same parameters."""
    assert (verdict(*records, wildcard=True) is None) == permitted


def test_any_of_several_identities_will_do() -> None:
    """A CA may be known by more than one domain."""
    both = ("ca.example", "old.example")
    assert verdict("0 issue old.example", identities=both) is None
    why = "none of the 1 issue records names this CA (ca.example, old.example)"
    assert why == verdict("0 issue other.test", identities=both)


def test_a_ca_without_an_identity_is_named_by_nobody() -> None:
    """An empty domain in a record is not the empty identity."""
    assert verdict("0 issue ;", identities=()) == "none of the 1 issue records names this CA (no identity is set)"
    assert verdict(identities=()) is None


def test_any_method_that_proved_the_name_will_do() -> None:
    """A name that is proven twice may use either proof; one that is proven by nothing fulfils no list."""
    assert verdict("0 issue ca.example;validationmethods=dns-01", methods=("http-01", "dns-01")) is None
    assert verdict("0 issue ca.example;validationmethods=dns-01", methods=()) is not None


def test_a_session_without_an_account_is_no_account() -> None:
    """An empty accounturi does not stand for the command line."""
    assert verdict("0 issue ca.example;accounturi=", account_url="") == ACCOUNT


@given(st.binary(max_size=60))
def test_any_value_is_read_or_refused(value: bytes) -> None:
    """Whatever stands in a record, its value is ASCII or nothing."""
    for data in (value, b"ca.example;" + value, b"ca.example; a=" + value):
        found = parse_value(data)
        assert found is None or (found.domain + "".join(a + b for a, b in found.parameters)).isascii()


def test_a_long_value_is_read_in_time() -> None:
    """No value makes the grammar walk back and forth."""
    assert parse_value(b"a-" * 2000 + b"!") is None
    assert parse_value(b"a;" + b"b-" * 2000) is None
    assert parse_value(b"ca.example; a=b") == IssueValue("ca.example", (("a", "b"),))
