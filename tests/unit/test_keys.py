"""Every key, literally: the names of the 2012 note."""

from __future__ import annotations

import pytest

from stages.store.keys import QUEUES, Keys

LITERALS = {
    "active": "active-requests",
    "pending": ("pending-makechallenge", "pending-testchallenge", "pending-issue", "pending-done"),
    "delayed": ("delayed-makechallenge", "delayed-testchallenge", "delayed-issue", "delayed-done"),
    "quarantine": "quarantine",
    "supervisors": "supervisors",
    "fencing": "fencing",
    "certificates": "certificates",
    "revoked": "revoked",
    "crl_number": "crl-number",
    "clock": "clock",
    "finished": "finished",
    "groups": "groups",
    "credentials": "eab",
    "blocked": "blocked-keys",
    "reads": "reads",
    "door": "door-certificate",
    "restored": "restored",
    "wake": "wake",
}


def test_keys_without_a_prefix_are_the_notes() -> None:
    """An operator with the note finds everything."""
    assert vars(Keys()) == {"prefix": "", **LITERALS}


@pytest.mark.parametrize("prefix", ["", "{ca}:", "x"])
def test_keys_of_one_thing_carry_its_id(prefix: str) -> None:
    """The keys that are made for an id, under any prefix."""
    keys = Keys(prefix)
    assert [
        f"{prefix}id",
        f"{prefix}id:names",
        f"{prefix}id:2",
        f"{prefix}inflight:host-1",
        f"{prefix}supervisor:host-1",
        f"{prefix}certificate:0a",
        f"{prefix}account:a",
        f"{prefix}account:a:orders",
        f"{prefix}account-key:t",
        f"{prefix}eab:k",
        f"{prefix}rate:new_orders:a",
    ] == [
        keys.session("id"),
        keys.names("id"),
        keys.challenge("id", 2),
        keys.inflight("host-1"),
        keys.lease("host-1"),
        keys.certificate("0a"),
        keys.account("a"),
        keys.orders("a"),
        keys.account_key("t"),
        keys.credential("k"),
        keys.rate("new_orders", "a"),
    ]


def test_every_key_carries_the_prefix() -> None:
    """No key escapes the prefix."""
    for value in vars(Keys("{ca}:")).values():
        for key in [value] if isinstance(value, str) else value:
            assert key.startswith("{ca}:")


def test_the_keys_of_the_group_script_are_in_the_order_that_it_reads() -> None:
    """Lease and in-flight list of the supervisor, then the lists and sets of all."""
    assert [
        "supervisor:s",
        "inflight:s",
        "active-requests",
        *LITERALS["pending"],
        *LITERALS["delayed"],
        "quarantine",
        "certificates",
        "revoked",
        "finished",
        "groups",
    ] == Keys().group("s")
    assert [queue.value for queue in QUEUES] == ["makechallenge", "testchallenge", "issue", "done"]
