"""What the settings of the ACME server become: the URLs in profiles, its own addresses, other chains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.ca import keys
from stages.ca.hierarchy import create_intermediate, create_root
from stages.ca.issuer import Issuer
from stages.ca.pem import pem
from stages.errors import Refused
from supervisor.acme.publishing import Publisher
from supervisor.build import Domain, alternates, own_addresses
from supervisor.build import issuer as build_issuer
from supervisor.config import Settings
from supervisor.config.checks import clashes
from tests.unit.ca.making import NOW, YEAR, issuer, key, random_from, second_key

DOOR: dict[str, Any] = {"listen": "127.0.0.1:14000,[::1]:14000", "url": "https://ca.example.org"}


def settings(acme: dict[str, Any], **tables: Any) -> Settings:
    return Settings.model_validate({"acme": acme, **tables})


def test_profile_has_no_url_without_a_server() -> None:
    """Who has no ACME server gets certificates as before."""
    profile = Domain(settings({})).profiles["default"]
    assert (profile.crl_url, profile.ca_issuers_url) == ("", "")


@pytest.mark.parametrize(
    ("plain", "acme"),
    [
        ("https://ca.example.org", {}),
        ("http://ca.example.org", {"http_listen": "0.0.0.0:80"}),
        ("http://pki.example.org", {"http_listen": "0.0.0.0:80", "http_url": "http://pki.example.org"}),
    ],
)
def test_profile_points_at_the_server(plain: str, acme: dict[str, str]) -> None:
    """Where a profile says nothing, its URLs are those that the server answers at."""
    profile = Domain(settings(DOOR | acme, ca={"name": "lan"})).profiles["default"]
    assert (f"{plain}/crl/lan.crl", f"{plain}/ca/lan.cer") == (profile.crl_url, profile.ca_issuers_url)


@pytest.mark.parametrize("name", ["main", "Lan.CA-1_b", ".", "..", "-", "x" * 64])
def test_what_profiles_point_at_is_published(tmp_path: Path, name: str) -> None:
    """Whatever ca.name may be beside a server: the issuer has it as its id, and its URLs lead to something."""
    file, key_file = tmp_path / "ca.pem", tmp_path / "ca.key"
    signing = key()
    file.write_text(pem(create_root("Root", signing, YEAR, NOW, random_from(1))))
    keys.save(key_file, signing)
    made = settings(DOOR, ca={"name": name, "certificate": str(file), "key": str(key_file), "chain": []})
    assert list(clashes(made)) == []
    issuing = build_issuer(made, NOW)
    assert issuing.id == name
    publisher = Publisher(issuing, lambda: file, lambda: NOW)
    profile = Domain(made).profiles["default"]
    for url in (profile.crl_url, profile.ca_issuers_url):
        assert url.startswith(made.acme.url)
        assert publisher.has(url.removeprefix(made.acme.url))


def test_profile_keeps_urls_of_its_own() -> None:
    """What config.toml says of a profile is not replaced."""
    own = {"web": {"crl_url": "http://crl.example.org/a.crl", "ca_issuers_url": "http://crl.example.org/a.cer"}}
    profile = Domain(settings(DOOR, profiles=own)).profiles["web"]
    assert (profile.crl_url, profile.ca_issuers_url) == (own["web"]["crl_url"], own["web"]["ca_issuers_url"])


def test_own_addresses_are_those_of_every_listener() -> None:
    """Validations dial none of them; localhost is both of its addresses."""
    made = settings(DOOR | {"http_listen": "0.0.0.0:80"}, admin={"listen": "localhost:8470"})
    assert own_addresses(made) == (
        ("127.0.0.1", 8470),
        ("::1", 8470),
        ("127.0.0.1", 14000),
        ("::1", 14000),
        ("0.0.0.0", 80),  # noqa: S104  compared, not bound
    )
    assert own_addresses(settings({}, admin={"listen": "unix:/run/admin.sock"})) == ()


def chained(tmp_path: Path, text: str) -> tuple[Issuer, ...]:
    (tmp_path / "cross.pem").write_text(text)
    made = Settings.model_validate({"ca": {"alternate_chains": [str(tmp_path / "cross.pem")]}})
    return alternates(made, issuer(), NOW)


def cross(subject: str = "Test Intermediate", number: int = 2) -> str:
    """The chain of an intermediate of this name below another root; key 2 is the issuer's."""
    top = create_root("Other Root", key("p384"), 10 * YEAR, NOW, random_from(3))
    own = second_key() if number == 2 else key()
    return pem(create_intermediate(subject, own, top, key("p384"), 5 * YEAR, NOW, random_from(4))) + pem(top)


def test_other_chain_is_read(tmp_path: Path) -> None:
    """A cross-signed certificate of the issuer ends in another root, under the same id and key."""
    (made,) = chained(tmp_path, cross())
    assert (made.id, made.spki_sha256, made.above[-1].subject.rfc4514_string()) == (
        issuer().id,
        issuer().spki_sha256,
        "CN=Other Root",
    )


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("another key", cross(number=1)),
        ("has another subject", cross("Another")),
        ("no readable PEM", "nothing"),
        ("chain is broken", cross().split("-----END", 1)[0] + "-----END CERTIFICATE-----\n" + pem(issuer().above[-1])),
    ],
)
def test_other_chain_is_refused(tmp_path: Path, reason: str, text: str) -> None:
    """A file that is no chain of the issuer is named."""
    with pytest.raises(Refused, match=f"cross.pem: .*{reason}"):
        chained(tmp_path, text)
