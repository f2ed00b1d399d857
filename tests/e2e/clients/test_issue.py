"""Real clients get certificates."""

from __future__ import annotations

import pytest

from tests.harness import door
from tests.harness.chain import check
from tests.harness.clients.base import Client, ClientError

FIVE = [f"{name}.five.internal" for name in ("one", "two", "three", "four", "five")]


def clients(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("client", names, indirect=True)


@clients("certbot", "lego", "dehydrated", "uacme", "caddy")
def test_issue_http01(client: Client, the_door: door.Door) -> None:
    """Each client gets a certificate for one name, proven over HTTP."""
    check(client.issue(["one.internal"]), ["one.internal"], the_door.root)


@clients("certbot", "lego", "dehydrated", "uacme")
def test_issue_five_names(client: Client, the_door: door.Door) -> None:
    """One certificate holds five names, each proven over HTTP."""
    check(client.issue(FIVE), FIVE, the_door.root)


@clients("caddy")
def test_issue_five_orders_at_once(client: Client, the_door: door.Door) -> None:
    """Caddy, which takes a certificate for each name, gets five at once."""
    check(client.issue(FIVE), FIVE[:1], the_door.root)


@clients("lego", "dehydrated", "caddy")
def test_issue_tls_alpn01(client: Client, the_door: door.Door) -> None:
    """A name is proven in a TLS handshake (RFC 8737)."""
    check(client.issue(["alpn.internal"], "tls-alpn-01"), ["alpn.internal"], the_door.root)


@clients("certbot", "lego", "dehydrated", "uacme")
def test_issue_dns01(client: Client, the_door: door.Door) -> None:
    """A name is proven in the DNS."""
    check(client.issue(["dns.internal"], "dns-01"), ["dns.internal"], the_door.root)


@clients("certbot", "lego", "dehydrated", "uacme")
def test_issue_wildcard(client: Client, the_door: door.Door) -> None:
    """A wildcard and its own domain share one TXT name, with two values at once."""
    names = ["*.wild.internal", "wild.internal"]
    check(client.issue(names, "dns-01"), names, the_door.root)


@clients("certbot", "uacme", "caddy")
def test_issue_address_http01(client: Client, the_door: door.Door) -> None:
    """An IP address is proven over HTTP (RFC 8738)."""
    check(client.issue(["127.0.0.1"]), ["127.0.0.1"], the_door.root)


@pytest.mark.parametrize("bound_client", ["certbot", "lego", "dehydrated", "uacme", "caddy"], indirect=True)
def test_issue_bound_account(bound_client: Client, the_door: door.Door) -> None:
    """An account that is bound to an external one (RFC 8555 7.3.4) gets its certificate."""
    check(bound_client.issue(["bound.internal"]), ["bound.internal"], the_door.root)


@clients("certbot", "lego", "dehydrated", "uacme")
def test_issue_fails(client: Client) -> None:
    """A name that leads elsewhere gets nothing, and the client prints where the server looked."""
    client.server.dns.set_address("elsewhere.internal.", "127.0.0.99")
    with pytest.raises(ClientError, match=r"127\.0\.0\.99"):
        client.issue(["elsewhere.internal"])
