"""`accounts`, `eab` and `certificates renew-by` on the command line, without a supervisor."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import pytest

from stages.account import new_id
from stages.session import Problem
from stages.store import account_moves
from stages.store.account_records import account_fields
from stages.store.connection import StoreSettings
from stages.store.store import Store
from supervisor.embedded import socket_path
from tests.e2e.command import Place

SETTINGS = """
[profiles.short]
validity = "1d"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A CA whose store runs."""
    place = Place(tmp_path_factory.mktemp("ca"))
    place.configure(SETTINGS)
    place.ok("init")
    with place.store():
        yield place


def in_store(place: Place, work: Callable[[Store], Awaitable[Any]]) -> Any:
    """Do something on the store, as the ACME server does."""

    async def run() -> Any:
        store = Store(StoreSettings(url=f"unix://{socket_path(place.data)}"), time.time)
        try:
            return await work(store)
        finally:
            await store.aclose()

    return anyio.run(run)


def make_account(place: Place, eab: str = "", contact: tuple[str, ...] = ()) -> str:
    account, thumbprint = new_id(os.urandom), (new_id(os.urandom) * 2)[:43]
    fields = account_fields(jwk="{}", contact=contact)
    move = account_moves.new_account(account, thumbprint, fields, eab, int(time.time()))
    assert in_store(place, lambda store: store.move(move)) == ["ok", account, "created"]
    return account


def make_order(place: Place, account: str) -> str:
    session = os.urandom(32).hex()
    move = account_moves.order(session, ["a.example"], {"thumbprint": "t" * 43}, int(time.time()), account)
    assert in_store(place, lambda store: store.move(move)) == ["ok"]
    return session


def test_credential_is_shown_once(place: Place) -> None:
    """Its key comes when it is made, and in no list."""
    rules = ["--name", "lan.example", "--name", "10.0.0.0/8", "--deny", "secret.lan.example", "--profile", "short"]
    made = place.json("eab", "create", *rules, "--expires", "30d", "--single", "--note", "printers")
    assert (made["names"], made["deny"]) == (["lan.example", "10.0.0.0/8"], ["secret.lan.example"])
    assert made["profiles"] == ["short"]
    assert (made["state"], made["single"], made["note"], made["used"]) == ("usable", True, "printers", 0)
    assert made["expires"] - made["created"] == 30 * 86_400
    assert len(made["hmac_key"]) == 43
    key = made.pop("hmac_key")
    assert made in place.json("eab", "list")["credentials"]
    assert key not in place.ok("eab", "list").out


def test_credential_in_words(place: Place) -> None:
    """Two lines to hand on, and what to know on standard error; any name and profile unless it says so."""
    result = place.ok("eab", "create")
    kid, key = (line.split(":", 1)[1].strip() for line in result.out.splitlines())
    assert (len(kid), len(key)) == (16, 43)
    assert result.err == "the key is not shown again\n"
    [row] = [line for line in place.ok("eab", "list").out.splitlines() if line.startswith(kid)]
    assert row.split()[1:4] == ["usable", "0", "anything"]


def test_credential_is_withdrawn(place: Place) -> None:
    """Nobody makes an account with it any more; the time of the first withdrawal stays."""
    kid = place.json("eab", "create")["kid"]
    account = make_account(place, kid)
    withdrawn = place.json("eab", "withdraw", kid)
    assert (withdrawn["state"], withdrawn["used"]) == ("withdrawn", 1)
    assert place.ok("eab", "withdraw", kid).out.startswith(f"kid {kid}: withdrawn at 20")
    move = account_moves.new_account(new_id(os.urandom), "x" * 43, account_fields(jwk="{}"), kid, int(time.time()))
    assert in_store(place, lambda store: store.move(move)) == ["refused", "eab withdrawn"]
    assert [each["account"] for each in place.json("accounts", "--eab", kid)["accounts"]] == [account]


@pytest.mark.parametrize(
    ("code", "line", "arguments"),
    [
        (4, "--profile: there is no such profile", ["eab", "create", "--profile", "long"]),
        (4, "--name: there is a rule that cannot be used", ["eab", "create", "--name", "a b"]),
        (4, "--deny: there is a rule that cannot be used", ["eab", "create", "--deny", "*.a.example"]),
        (4, "--note: it is longer than 200 characters", ["eab", "create", "--note", "\x1b"]),
        (4, "--expires: it must be longer than 0s", ["eab", "create", "--expires", "0s"]),
        (2, "--expires: ", ["eab", "create", "--expires", "30"]),
        (9, "kid: there is no such credential", ["eab", "withdraw", "nobody"]),
        (9, "kid: there is no such credential", ["eab", "withdraw", "-hidden"]),
        (9, "kid: there is no such credential", ["eab", "withdraw", "\x1b*"]),
        (4, "account: it must be an account's id", ["accounts", "restrict", "nobody", "--clear"]),
        (9, f"account -{'x' * 21}: there is no", ["accounts", "restrict", f"-{'x' * 21}", "--name", "a.example"]),
        (4, "--name: there is a rule that", ["accounts", "restrict", "x" * 22, "--name", "a b"]),
        (4, "--deny: there is a rule that", ["accounts", "restrict", "x" * 22, "--deny", "10.0.0.1/8"]),
        (4, "--profile: there is no such profile", ["accounts", "restrict", "x" * 22, "--profile", "long"]),
        (2, "ca-supervisor accounts restrict: either", ["accounts", "restrict", "x" * 22]),
        (2, "ca-supervisor accounts restrict: either", ["accounts", "restrict", "x" * 22, "--clear", "--name", "a"]),
        (4, "account: it must be an account's id", ["accounts", "deactivate", "nobody"]),
        (9, f"account -{'x' * 21}: there is no such account", ["accounts", "deactivate", f"-{'x' * 21}"]),
        (2, "--status: ", ["accounts", "--status", "gone"]),
        (9, "serial ab: there is no such certificate", ["certificates", "renew-by", "ab", "--now"]),
        (2, "ca-supervisor certificates renew-by: one of --from", ["certificates", "renew-by", "ab"]),
        (2, "ca-supervisor certificates renew-by: one of", ["certificates", "renew-by", "ab", "--now", "--clear"]),
        (
            2,
            "ca-supervisor certificates renew-by: --from and",
            ["certificates", "renew-by", "ab", "--from", "2026-12-01"],
        ),
        (2, "--from: ", ["certificates", "renew-by", "ab", "--from", "soon", "--until", "2026-12-01"]),
        (4, "--until: it must be later", ["certificates", "renew-by", "ab", "--from", "2026-12-01", "--until", "9"]),
    ],
)
def test_bad_arguments(place: Place, code: int, line: str, arguments: list[str]) -> None:
    """One line that names the argument, and the same as JSON."""
    result = place.call(*arguments)
    assert code == result.code
    assert result.line.startswith(line)
    assert result.line.isprintable()
    assert code == place.call(*arguments, "--json").json["error"]["code"]


def test_accounts_are_listed(place: Place) -> None:
    """Each with its contacts and the number of its orders."""
    account = make_account(place, contact=("mailto:admin@a.example",))
    make_order(place, account)
    make_order(place, account)
    [found] = [each for each in place.json("accounts")["accounts"] if each["account"] == account]
    assert (found["status"], found["contact"], found["orders"]) == ("valid", ["mailto:admin@a.example"], 2)
    assert (found["eab"], found["ended"], found["terms"]) == (None, None, None)
    [row] = [line for line in place.ok("accounts").out.splitlines() if line.startswith(account)]
    assert row.split()[1:4] == ["valid", "admin@a.example", "2"]


def test_accounts_are_listed_up_to_a_limit(place: Place) -> None:
    """The newest come first, and it says that there are more."""
    made = {make_account(place) for _ in range(2)}
    document = place.json("accounts", "--limit", "1")
    assert (len(document["accounts"]), document["more"]) == (1, True)
    assert place.ok("accounts", "--limit", "1").err == "there are more than 1; --limit shows more\n"
    assert made <= {each["account"] for each in place.json("accounts")["accounts"]}


def test_account_is_restricted(place: Place) -> None:
    """What is said takes the place of what was, is shown in the list, and is taken away again."""
    account = make_account(place)
    rules = ["--name", "lan.example", "--name", "10.0.0.0/8", "--deny", "secret.lan.example", "--profile", "short"]
    first = place.json("accounts", "restrict", account, *rules)
    expected = {"names": ["lan.example", "10.0.0.0/8"], "deny": ["secret.lan.example"], "profiles": ["short"]}
    assert first == {"account": account, **expected}
    [listed] = [each for each in place.json("accounts")["accounts"] if each["account"] == account]
    assert expected == {field: listed[field] for field in expected}
    said = "only lan.example, 10.0.0.0/8; never secret.lan.example; profiles short"
    assert said in place.ok("accounts").out
    assert (
        place.ok("accounts", "restrict", account, "--deny", "b.example").out == f"account {account}: never b.example\n"
    )
    assert place.ok("accounts", "restrict", account, "--clear").out == f"account {account}: anything\n"
    [row] = [line for line in place.ok("accounts").out.splitlines() if line.startswith(account)]
    assert "anything" in row


def test_ended_account_is_not_restricted(place: Place) -> None:
    """There is nothing to restrict any more."""
    account = make_account(place)
    place.ok("accounts", "deactivate", account)
    result = place.call("accounts", "restrict", account, "--deny", "a.example")
    assert result.code == 4
    assert result.line.startswith(f"account {account}: it was revoked at 20")


def test_account_is_ended_with_its_orders(place: Place) -> None:
    """It is revoked for good, its order is cancelled and says why; a second time is refused with the first."""
    account = make_account(place)
    session = make_order(place, account)
    ended = place.json("accounts", "deactivate", account)
    assert (ended["account"], ended["status"]) == (account, "revoked")
    shown = place.json("show", session)
    assert (shown["live"], shown["error"]["detail"]) == (False, "its account was revoked by the CA's operator")
    assert account in [each["account"] for each in place.json("accounts", "--status", "revoked")["accounts"]]
    assert account not in [each["account"] for each in place.json("accounts", "--status", "valid")["accounts"]]
    assert place.json("accounts", "deactivate", account)["ended"] == ended["ended"]


def test_account_that_its_client_ended(place: Place) -> None:
    """The operator is told that there is nothing to do."""
    account = make_account(place)
    problem = Problem("unauthorized", "its account was deactivated")
    move = account_moves.deactivate(account, problem, 60, int(time.time()))
    assert in_store(place, lambda store: store.move(move)) == ["ok"]
    result = place.call("accounts", "deactivate", account)
    assert result.code == 4
    assert result.line.startswith(f"account {account}: it was deactivated at 20")


def test_unreadable_account_is_listed(place: Place) -> None:
    """One garbled record does not hide the others, and is named with what is wrong."""
    account = make_account(place)

    async def garble(store: Store) -> None:
        redis: Any = store.redis
        await redis.hset(store.keys.account(account), "created", "x")

    in_store(place, garble)
    [found] = [each for each in place.json("accounts")["accounts"] if each["account"] == account]
    assert found["unreadable"]["why"] == "cannot be read"
    [row] = [line for line in place.ok("accounts").out.splitlines() if line.startswith(account)]
    assert "unreadable" in row
