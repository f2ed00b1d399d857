"""What real clients do after they have a certificate: renew, revoke, change their account and give it up."""

from __future__ import annotations

import pytest

from tests.harness import door
from tests.harness.chain import check, leaf_of
from tests.harness.clients.base import (
    ChangesContact,
    ClientError,
    Deactivates,
    Renews,
    Revokes,
    RevokesByItsKey,
    RollsKey,
)
from tests.harness.clients.certbot import Certbot


def clients(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("client", names, indirect=True)


@clients("certbot", "lego", "dehydrated", "uacme", "caddy")
def test_renew(client: Renews, the_door: door.Door) -> None:
    """A client replaces its certificate by another one for the same name."""
    first = client.issue(["renewed.internal"])
    serial = leaf_of(first).serial_number
    assert check(client.renew(first), ["renewed.internal"], the_door.root).serial_number != serial


@clients("certbot")
def test_renew_not_due(client: Certbot) -> None:
    """A fresh certificate is not renewed: the renewal information (RFC 9773) says that it is too early."""
    before = client.issue(["early.internal"])
    assert "not due for renewal" in client.renew_when_due()
    assert client.current() == before


@clients("certbot")
def test_renew_when_told(client: Certbot, the_door: door.Door) -> None:
    """An operator moves the window of one certificate into the past, and the client renews on its next run."""
    before = leaf_of(client.issue(["told.internal"]))
    the_door.renew_now(before.serial_number)
    client.renew_when_due()
    assert check(client.current(), ["told.internal"], the_door.root).serial_number != before.serial_number


@clients("certbot", "lego", "dehydrated", "uacme")
def test_revoke(client: Revokes, the_door: door.Door) -> None:
    """The account's key revokes its certificate, and nobody else's."""
    first, second = client.issue(["kept.internal"]), client.issue(["revoked.internal"])
    kept, revoked = (leaf_of(each).serial_number for each in (first, second))
    client.revoke(second)
    assert the_door.is_revoked(revoked)
    assert not the_door.is_revoked(kept)


@clients("certbot", "uacme")
def test_revoke_by_its_key(client: RevokesByItsKey, the_door: door.Door) -> None:
    """The certificate's own key revokes it, without an account."""
    issued = client.issue(["own-key.internal"])
    serial = leaf_of(issued).serial_number
    client.revoke_by_its_key(issued)
    assert the_door.is_revoked(serial)


@clients("certbot", "dehydrated", "uacme")
def test_contact(client: ChangesContact) -> None:
    """A client changes its account's contact and goes on with it."""
    client.issue(["before.internal"])
    client.change_contact("other@example.org")
    client.issue(["after.internal"])


@clients("uacme")
def test_key_rollover(client: RollsKey, the_door: door.Door) -> None:
    """The account goes on with its new key (RFC 8555 7.3.5)."""
    client.issue(["old.internal"])
    client.roll_key()
    check(client.issue(["new.internal"]), ["new.internal"], the_door.root)


@clients("certbot", "dehydrated", "uacme")
def test_deactivate(client: Deactivates) -> None:
    """A client gives its account up (RFC 8555 7.3.6)."""
    client.issue(["last.internal"])
    client.deactivate()


@clients("uacme")
def test_deactivated_issues_no_more(client: Deactivates) -> None:
    """With a deactivated account nothing is issued."""
    client.issue(["last.internal"])
    client.deactivate()
    with pytest.raises(ClientError, match="401"):
        client.issue(["late.internal"])
