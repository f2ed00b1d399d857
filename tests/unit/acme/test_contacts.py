import pytest

from supervisor.acme.contacts import check_contacts
from supervisor.acme.problems import AcmeProblem


@pytest.mark.parametrize(
    "contacts",
    [
        [],
        ["mailto:admin@example.org"],
        ["MAILTO:admin@example.org"],
        ["mailto:a.b+c@sub.example.org", "mailto:root@localhost"],
        ["mailto:a%2Bb@example.org"],
        ["mailto:100%25@example.org"],
        ["mailto:a@xn--bcher-kva.example"],
    ],
)
def test_contacts_accepted_are_kept_as_sent(contacts: list[str]) -> None:
    """A mailto URL with one address is kept letter by letter."""
    assert tuple(contacts) == check_contacts(contacts)


@pytest.mark.parametrize(
    ("contact", "kind"),
    [
        ("tel:+15551234567", "unsupportedContact"),
        ("https://example.org/contact", "unsupportedContact"),
        ("mailto:a@example.org,b@example.org", "invalidContact"),
        ("mailto:a@example.org%2Cb@example.org", "invalidContact"),
        ("mailto:a@example.org?subject=hello", "invalidContact"),
        ("mailto:a@example.org?to=b@example.org", "invalidContact"),
        ("mailto:a@example.org#fragment", "invalidContact"),
        ("mailto:", "invalidContact"),
        ("mailto:a", "invalidContact"),
        ("mailto:@example.org", "invalidContact"),
        ("mailto:a@", "invalidContact"),
        ("mailto:a@b@c", "invalidContact"),
        ("mailto:a..b@example.org", "invalidContact"),
        ("mailto:a@example..org", "invalidContact"),
        ("mailto:a@-example.org", "invalidContact"),
        ("mailto:a%@example.org", "invalidContact"),
        ("mailto:a%ff@example.org", "invalidContact"),
        ("mailto:a%0d%0aBcc:b@example.org", "invalidContact"),
        ("mailto:a b@example.org", "invalidContact"),
        ("mailto:a@example.org\n", "invalidContact"),
        ("mailto:bücher@example.org", "invalidContact"),
        ("mailto:" + "a" * 320 + "@example.org", "invalidContact"),
        ("admin@example.org", "invalidContact"),
        ("", "invalidContact"),
    ],
)
def test_contact_refused(contact: str, kind: str) -> None:
    """Another scheme is unsupportedContact, a bad mailto URL invalidContact (RFC 8555 7.3); the list names which."""
    with pytest.raises(AcmeProblem) as raised:
        check_contacts(["mailto:good@example.org", contact])
    assert (kind, "contact[1]: ") == (raised.value.kind, raised.value.detail[:12])
    assert "bücher" not in raised.value.detail


@pytest.mark.parametrize("value", [None, "mailto:a@example.org", {}, [1], [None], [["mailto:a@example.org"]], True])
def test_contacts_not_a_list_of_strings(value: object) -> None:
    """Anything but a list of strings is malformed."""
    with pytest.raises(AcmeProblem, match="contact: it must be a list of strings") as raised:
        check_contacts(value)
    assert raised.value.kind == "malformed"


def test_contacts_too_many() -> None:
    """Ten are accepted, eleven refused."""
    assert len(check_contacts(["mailto:a@example.org"] * 10)) == 10
    with pytest.raises(AcmeProblem, match="11 URLs are given, at most 10 are allowed"):
        check_contacts(["mailto:a@example.org"] * 11)
