"""Which handler answers what: the door's table. Only `door` and its tests import it."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from supervisor.acme import (
    account_orders,
    accounts,
    authorizations,
    certificates,
    challenges,
    directory,
    finalizing,
    key_change,
    orders,
    renewal,
    revoking,
)
from supervisor.acme.desk import Handler, Open
from supervisor.acme.urls import Kind

Key = Literal["kid", "jwk", "either"]


class Route(NamedTuple):
    """How one kind of path is answered.

    Attributes:
        key: what the JWS names its key by (RFC 8555 6.2): the account's URL, the key itself, or either.
        post: answers an authenticated POST, None where there is none.
        get: answers a GET or HEAD of anyone, None where there is none (RFC 8555 6.3).
    """

    key: Key
    post: Handler | None = None
    get: Open | None = None

    @property
    def methods(self) -> str:
        """The value of Allow."""
        return ", ".join([*(["GET", "HEAD"] if self.get else []), *(["POST"] if self.post or self.get else [])])


ROUTES: Final[dict[Kind, Route]] = {
    Kind.DIRECTORY: Route("kid", get=directory.get),
    Kind.NEW_NONCE: Route("kid", get=directory.new_nonce),
    Kind.NEW_ACCOUNT: Route("jwk", accounts.new_account),
    Kind.NEW_ORDER: Route("kid", orders.new_order),
    Kind.REVOKE_CERT: Route("either", revoking.revoke),
    Kind.KEY_CHANGE: Route("kid", key_change.change_key),
    Kind.ACCOUNT: Route("kid", accounts.account),
    Kind.ORDERS: Route("kid", account_orders.list_orders),
    Kind.ORDER: Route("kid", orders.order),
    Kind.FINALIZE: Route("kid", finalizing.finalize),
    Kind.AUTHORIZATION: Route("kid", authorizations.authorization),
    Kind.CHALLENGE: Route("kid", challenges.challenge),
    Kind.CERTIFICATE: Route("kid", certificates.certificate),
    Kind.RENEWAL_INFO: Route("kid", get=renewal.renewal_info),
}
