"""The account keys that were used lately, parsed. The door asks it; parsing a key costs more than checking with it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from stages.account import Account
from supervisor.acme.jose.jwk import Jwk, jwk_from_text

CAPACITY: Final = 4096
"""Keys, about 2 KB each; the one that was not used for longest goes first."""


class KeyCache:
    """Parsed keys by thumbprint. A thumbprint stands for one key only, so nothing in it can be stale."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._keys: OrderedDict[str, Jwk] = OrderedDict()

    def of(self, account: Account) -> Jwk:
        """The account's key as it was read with the account."""
        keys, thumbprint = self._keys, account.thumbprint
        key = keys.get(thumbprint)
        if key is not None:
            keys.move_to_end(thumbprint)
            return key
        key = keys[thumbprint] = jwk_from_text(account.jwk)
        if len(keys) > self._capacity:
            keys.popitem(last=False)
        return key
