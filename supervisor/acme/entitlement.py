"""Asks once more, right before a certificate is issued, what its account may have. For `supervisor.lifecycle`.

The operator may have restricted the account, or lost its credential, since the order was made. What the CA's own
settings say is asked by the issue stage itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from stages.account import ACCOUNT_ID, Account
from stages.errors import StoreUnavailable
from stages.issue import OWN_FAULT_AFTER, Permits
from stages.outcome import Reject, Retry
from stages.session import Problem, Session
from stages.store.records import Garbled
from stages.store.store import Store
from supervisor.acme.binding import credential_of
from supervisor.acme.policy import bounds_of, names_out_of_bounds, profile_out_of_bounds
from supervisor.acme.problems import AcmeProblem

_AFTER_OUTAGE = 0.1


class Entitlement:
    """What the issue stage asks first of all permissions; `then` is asked where it has no objection.

    A session that no ACME account has made is not its business. `accounts` finds an account by its id, as it is or was
    a second ago.
    """

    def __init__(self, store: Store, then: Permits, accounts: Callable[[str], Awaitable[Account | None]]) -> None:
        self._store = store
        self._accounts = accounts
        self._then = then

    async def __call__(self, session: Session, methods: Mapping[str, tuple[str, ...]]) -> Retry | Reject | None:
        """Reject what the account may not have; Retry where its record cannot be read now; else what `then` says."""
        refusal = await self._refusal(session) if ACCOUNT_ID.fullmatch(session.account) else None
        return refusal or await self._then(session, methods)

    async def _refusal(self, session: Session) -> Retry | Reject | None:
        try:
            account = await self._accounts(session.account)
            if account is None:
                return Reject(Problem("unauthorized", "account: it is not on record any more"))
            bounds = bounds_of(account, await credential_of(self._store, account))
        except Garbled as fault:
            # An operator may mend it in time.
            return Retry(OWN_FAULT_AFTER, str(fault))
        except StoreUnavailable:
            # An outage is nobody's failed attempt; this outcome, too, waits until the store is back.
            return Retry(_AFTER_OUTAGE, "the account could not be read: the store was away", costs=False)
        except AcmeProblem as problem:
            return Reject(Problem(problem.kind, problem.detail))
        for name, reason in names_out_of_bounds(session.names, bounds).items():
            return Reject(Problem("rejectedIdentifier", f"{name}: {reason}"))
        if bound := profile_out_of_bounds(session.profile, bounds):
            return Reject(Problem("invalidProfile", f"profile: {bound.whose} may not ask for it"))
        return None
