"""What a server that is part of a cluster refuses, in the words of the settings."""

from __future__ import annotations

import pytest
from redis import exceptions

from stages.errors import Refused, StoreUnavailable
from stages.store.connection import translated


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ClusterCrossSlotError("Keys in request don't hash to the same slot"),
        exceptions.ResponseError("Script attempted to access keys that do not hash to the same slot script: 1"),
        exceptions.ResponseError("Script attempted to access a non local key in a cluster node script: 1"),
    ],
)
def test_keys_in_several_slots_are_a_wrong_prefix(error: Exception) -> None:
    """A hash tag puts all keys into one slot."""
    with pytest.raises(Refused) as refused, translated():
        raise error
    assert refused.value.field == "store.prefix"
    assert refused.value.reason.startswith("a cluster needs one with a hash tag, such as {ca}: (")


@pytest.mark.parametrize("kind", [exceptions.MovedError, exceptions.AskError])
def test_keys_of_another_node_are_waited_for(kind: type[exceptions.AskError]) -> None:
    """After a failover the address may lead to the right node again."""
    with pytest.raises(StoreUnavailable) as away, translated():
        raise kind("8958 192.0.2.1:6379")
    assert "store.url must lead to the one that has" in str(away.value)
