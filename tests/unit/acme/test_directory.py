from typing import Any

from supervisor.acme.directory import directory_object
from supervisor.acme.urls import Kind, Urls, find
from supervisor.config.acme import Acme, Caa
from supervisor.config.authority import Profile
from supervisor.config.settings import Settings

BASE = "https://ca.example"
URLS = Urls(BASE)


def settings(acme: dict[str, Any], **others: Any) -> Settings:
    return Settings(acme=Acme(listen="0.0.0.0:443", url=BASE, **acme), **others)


def test_directory_with_everything_set_up() -> None:
    """Each URL and each member of meta that the settings speak of is there (RFC 8555 7.1.1, 9.7.6)."""
    made = settings(
        {"terms_url": "https://ca.example/terms", "website": "https://ca.example/", "eab_required": True},
        caa=Caa(check=True, identities=("ca.example", "other.example")),
        profiles={
            "default": Profile(description="For web servers."),
            "short": Profile.model_validate({"validity": "1d"}),
        },
    )
    expected = {
        "newNonce": "https://ca.example/acme/new-nonce",
        "newAccount": "https://ca.example/acme/new-account",
        "newOrder": "https://ca.example/acme/new-order",
        "revokeCert": "https://ca.example/acme/revoke-cert",
        "keyChange": "https://ca.example/acme/key-change",
        "renewalInfo": "https://ca.example/acme/renewal-info",
        "meta": {
            "termsOfService": "https://ca.example/terms",
            "website": "https://ca.example/",
            "caaIdentities": ["ca.example", "other.example"],
            "externalAccountRequired": True,
            "profiles": {"default": "For web servers.", "short": "valid for 1d, server_auth"},
        },
    }
    assert expected == directory_object(URLS, made)


def test_directory_without_anything_set_up() -> None:
    """What is not set up has no member: no empty URL and no null."""
    expected = {"externalAccountRequired": False, "profiles": {"default": "valid for 90d, server_auth"}}
    assert expected == directory_object(URLS, settings({}))["meta"]


def test_directory_lists_only_what_works() -> None:
    """Each URL in it is one that the door knows, and pre-authorization, which is not offered, is not there."""
    listed = {name: url for name, url in directory_object(URLS, settings({})).items() if name != "meta"}
    places = {name: find(url.removeprefix(BASE)) for name, url in listed.items() if name != "renewalInfo"}
    assert {Kind.NEW_NONCE, Kind.NEW_ACCOUNT, Kind.NEW_ORDER, Kind.REVOKE_CERT, Kind.KEY_CHANGE} == {
        place.kind for place in places.values() if place is not None
    }
    assert set(listed) == {"newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo"}
    renewal = find(f"{listed['renewalInfo'].removeprefix(BASE)}/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE")
    assert renewal is not None
    assert renewal.kind is Kind.RENEWAL_INFO
