"""URLs: what is made is what is read, and nothing else is."""

from __future__ import annotations

import pytest

from supervisor.acme.urls import Kind, Place, Urls, find

BASE = "https://ca.example:8443"
URLS = Urls(BASE)
SESSION, ACCOUNT = "0af" + "1" * 61, "A_-" + "b" * 19


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (URLS.directory, Place(Kind.DIRECTORY)),
        (URLS.new_nonce, Place(Kind.NEW_NONCE)),
        (URLS.new_account, Place(Kind.NEW_ACCOUNT)),
        (URLS.new_order, Place(Kind.NEW_ORDER)),
        (URLS.revoke_cert, Place(Kind.REVOKE_CERT)),
        (URLS.key_change, Place(Kind.KEY_CHANGE)),
        (URLS.account(ACCOUNT), Place(Kind.ACCOUNT, (ACCOUNT,))),
        (URLS.orders(ACCOUNT), Place(Kind.ORDERS, (ACCOUNT,))),
        (URLS.order(SESSION), Place(Kind.ORDER, (SESSION,))),
        (URLS.finalize(SESSION), Place(Kind.FINALIZE, (SESSION,))),
        (URLS.authz(SESSION, 12), Place(Kind.AUTHORIZATION, (SESSION, "12"))),
        (URLS.challenge(SESSION, 3), Place(Kind.CHALLENGE, (SESSION, "3"))),
        (URLS.certificate("ab12"), Place(Kind.CERTIFICATE, ("ab12",))),
        (URLS.certificate("ab12", 1), Place(Kind.CERTIFICATE, ("ab12", "1"))),
        (f"{URLS.renewal_info}/aYhba4dG.AIdlQyE", Place(Kind.RENEWAL_INFO, ("aYhba4dG.AIdlQyE",))),
    ],
)  # fmt: skip
def test_every_url_is_read_as_it_was_made(url: str, place: Place) -> None:
    """The path of a URL leads back to what it stands for, and to its session."""
    assert place == find(url.removeprefix(BASE))
    assert place.session == (SESSION if SESSION in url else "")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/acme",
        "/acme/",
        "/acme/directory/",
        "/ACME/directory",
        "//acme/directory",
        "/acme/order/",
        f"/acme/order/{SESSION}/",
        f"/acme/order/{SESSION.upper()}",
        f"/acme/order/{SESSION}0",
        f"/acme/order/{SESSION}/finalize/x",
        f"/acme/authz/{SESSION}",
        f"/acme/authz/{SESSION}/0",
        f"/acme/authz/{SESSION}/01",
        f"/acme/authz/{SESSION}/\N{ARABIC-INDIC DIGIT ONE}",
        f"/acme/authz/{SESSION}/1\n",
        f"/acme/account/{ACCOUNT}x",
        "/acme/certificate/AB",
        "/acme/certificate/ab/0",
        f"/acme/certificate/{'a' * 41}",
        "/acme/renewal-info",
        "/acme/renewal-info/a%2e",
        f"/acme/renewal-info/{'a' * 201}",
    ],
)
def test_nothing_else_is_a_place(path: str) -> None:
    """One spelling for each place."""
    assert find(path) is None


@pytest.mark.parametrize(
    "kid",
    ["", BASE, URLS.directory, URLS.orders(ACCOUNT), URLS.account("short"), URLS.account(ACCOUNT) + "?x", ACCOUNT],
)
def test_only_an_accounts_url_has_an_account_id(kid: str) -> None:
    """A kid of another form or another server names no account here."""
    assert URLS.account_id(kid) == ""
    assert Urls("https://other.example").account_id(URLS.account(ACCOUNT)) == ""
    assert URLS.account_id(URLS.account(ACCOUNT)) == ACCOUNT


def test_requested_url_has_its_query() -> None:
    """What a JWS has to name is the whole URL."""
    assert URLS.requested("/acme/x", "a=b") == f"{BASE}/acme/x?a=b"
    assert URLS.requested("/acme/x") == f"{BASE}/acme/x"
