"""Contacts of accounts (RFC 8555 7.3), and their ids."""

from __future__ import annotations

import pytest

from stages.account import ACCOUNT_ID, MAX_CONTACTS, new_id, parse_contacts
from stages.errors import Refused


@pytest.mark.parametrize(
    "text",
    [
        "mailto:admin@example.com",
        "MAILTO:Admin@Example.COM",
        "mailto:a.b+c/d=e_f'g@xn--mnchen-3ya.example",
        "mailto:root@host",
        f"mailto:{'a' * 64}@{'b' * 63}.example",
    ],
)
def test_a_contact_stays_as_it_was_sent(text: str) -> None:
    """One address of a mailbox on a host, in any case."""
    assert (text,) == parse_contacts([text])


def test_contacts_keep_their_order_without_repeats() -> None:
    """The same URL twice is one contact; none at all is allowed."""
    one, two = "mailto:a@a.example", "mailto:b@b.example"
    assert (two, one) == parse_contacts([two, one, two])
    assert parse_contacts([]) == ()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("tel:+12025551212", "unsupportedContact"),
        ("https://example.com/", "unsupportedContact"),
        ("sms:+15105550101", "unsupportedContact"),
        ("javascript:alert(1)", "unsupportedContact"),
        ("mailto:a@a.example,b@b.example", "invalidContact"),
        ("mailto:a@a.example?subject=x", "invalidContact"),
        ("mailto:a@a.example?", "invalidContact"),
        ("mailto:?to=a@a.example", "invalidContact"),
        ("mailto:a%40b@a.example", "invalidContact"),
        ("mailto:a@a.example%2Cb@b.example", "invalidContact"),
        ("mailto:", "invalidContact"),
        ("mailto:a", "invalidContact"),
        ("mailto:@a.example", "invalidContact"),
        ("mailto:a@", "invalidContact"),
        ("mailto:a@b@a.example", "invalidContact"),
        ("mailto:a..b@a.example", "invalidContact"),
        ("mailto:.a@a.example", "invalidContact"),
        ('mailto:"a b"@a.example', "invalidContact"),
        ("mailto:a b@a.example", "invalidContact"),
        ("mailto: a@a.example", "invalidContact"),
        ("mailto:a@a.example\n", "invalidContact"),
        ("mailto:ä@a.example", "invalidContact"),
        ("mailto:a@ä.example", "invalidContact"),
        ("mailto:a@-a.example", "invalidContact"),
        ("mailto:a@a.example.", "invalidContact"),
        ("mailto:a@*.example", "invalidContact"),
        ("mailto:a@192.0.2.1", "invalidContact"),
        ("mailto:a@[192.0.2.1]", "invalidContact"),
        ("mailto:<a@a.example>", "invalidContact"),
        (f"mailto:{'a' * 65}@a.example", "invalidContact"),
        (f"mailto:a@{'a.' * 200}example", "invalidContact"),
        ("admin@example.com", "invalidContact"),
        ("", "invalidContact"),
        (5, "malformed"),
        (None, "malformed"),
        (["mailto:a@a.example"], "malformed"),
    ],
)
def test_a_contact_that_cannot_be_used_names_its_place(text: object, kind: str) -> None:
    """RFC 8555 6.7: another scheme is unsupported, a bad address is invalid; the text is not repeated."""
    with pytest.raises(Refused) as raised:
        parse_contacts(["mailto:a@a.example", text])
    assert (kind, "contact[1]") == (raised.value.kind, raised.value.field)
    assert "ä" not in raised.value.reason


def test_too_many_contacts_are_refused() -> None:
    """The most that are kept, and one more; repeats count."""
    assert len(parse_contacts([f"mailto:a{n}@a.example" for n in range(MAX_CONTACTS)])) == MAX_CONTACTS
    with pytest.raises(Refused, match="at most 10") as raised:
        parse_contacts(["mailto:a@a.example"] * (MAX_CONTACTS + 1))
    assert raised.value.kind == "malformed"


def test_a_new_id_is_sixteen_random_bytes() -> None:
    """22 characters of base64url without padding."""
    assert new_id(bytes) == "A" * 22
    assert new_id(lambda size: b"\xff" * size) == "_" * 21 + "w"
    assert ACCOUNT_ID.fullmatch(new_id(bytes))
