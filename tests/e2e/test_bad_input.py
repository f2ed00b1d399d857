"""Records that somebody else garbled, and clients that send control characters: set aside or refused, never printed."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from stages.ca import keys
from stages.store.reading import quarantined, read_whole
from supervisor.embedded import store_for_command
from tests.harness.process import Program
from tests.harness.site import Site, is_at_rest, site

EVIL = '\x1b[31mred\x1b[0m\r\n{"event":"supervisor.ready"}\n\x00\x07\u2028\u202e\x9b2J'
GOOD = {"created": "4000000000", "live": "True", "state": "makechallenge", "challenges": "0", "schema": "1"}
TESTED = {**GOOD, "created": "4000000000", "state": "testchallenge", "challenges": "1", "expires": "4000000000"}
CHALLENGE = {"challtime": "1", "type": "4", "name": "127.0.0.1", "satisfied": "False", "failed": "False"}

Commands = list[tuple[Any, ...]]


def hset(key: str, fields: dict[str, Any]) -> tuple[Any, ...]:
    return ("HSET", key, *(part for pair in fields.items() for part in pair))


def named(session: str) -> tuple[Any, ...]:
    return ("RPUSH", f"{session}:names", "127.0.0.1")


GARBLED: dict[str, tuple[str, Callable[[str], Commands]]] = {
    # what is wrong           its queue        the commands that make it
    "wrong type": ("makechallenge", lambda s: [("SET", s, EVIL)]),
    "list for a hash": ("issue", lambda s: [("RPUSH", s, EVIL)]),
    "not UTF-8": ("makechallenge", lambda s: [hset(s, {**GOOD, "csr": b"\xff\xfe\x1b[31m"}), named(s)]),
    "field not UTF-8": ("done", lambda s: [hset(s, {**GOOD, "state": "done"}), ("HSET", s, b"\xff\n", b"\xfe")]),
    "no state": ("makechallenge", lambda s: [hset(s, {"live": "True", "created": "1"}), named(s)]),
    "no live": ("makechallenge", lambda s: [hset(s, {"state": "makechallenge", "created": "1"}), named(s)]),
    "no created": ("makechallenge", lambda s: [hset(s, {"state": "makechallenge", "live": "True"}), named(s)]),
    "odd state": ("makechallenge", lambda s: [hset(s, {**GOOD, "state": EVIL}), named(s)]),
    "odd live": ("makechallenge", lambda s: [hset(s, {**GOOD, "live": EVIL}), named(s)]),
    "odd created": ("makechallenge", lambda s: [hset(s, {**GOOD, "created": EVIL}), named(s)]),
    "odd error": ("makechallenge", lambda s: [hset(s, {**GOOD, "error": EVIL}), named(s)]),
    "odd delivery": ("done", lambda s: [hset(s, {**GOOD, "state": "done", "delivery": EVIL}), named(s)]),
    "newer schema": ("makechallenge", lambda s: [hset(s, {**GOOD, "schema": "2"}), named(s)]),
    "huge integer": ("makechallenge", lambda s: [hset(s, {**GOOD, "created": "9" * 5000}), named(s)]),
    "no challenge": ("testchallenge", lambda s: [hset(s, TESTED), named(s)]),
    "many challenges": ("testchallenge", lambda s: [hset(s, {**TESTED, "challenges": "99999999"}), named(s)]),
    "odd challenge JSON": (
        "testchallenge",
        lambda s: [hset(s, TESTED), named(s), hset(f"{s}:1", {**CHALLENGE, "data": '{"token": "' + EVIL})],
    ),
    "odd thumbprint": ("makechallenge", lambda s: [hset(s, {**GOOD, "thumbprint": EVIL}), named(s)]),
    "odd token": (
        "testchallenge",
        lambda s: [hset(s, TESTED), named(s), hset(f"{s}:1", {**CHALLENGE, "data": r'{"token":"a\r\nhost: b"}'})],
    ),
    "odd challenge type": (
        "testchallenge",
        lambda s: [hset(s, TESTED), named(s), hset(f"{s}:1", {**CHALLENGE, "data": '{"token":"t"}', "type": EVIL})],
    ),
    "challenge of another type": ("testchallenge", lambda s: [hset(s, TESTED), named(s), ("SET", f"{s}:1", EVIL)]),
    "names of another type": (
        "makechallenge",
        lambda s: [hset(s, GOOD), ("SET", f"{s}:names", EVIL)],
    ),
    "names not UTF-8": (
        "makechallenge",
        lambda s: [hset(s, GOOD), ("RPUSH", f"{s}:names", b"\xff\xfe")],
    ),
}


async def put(ca: Site, session: str, queue: str, commands: Commands) -> None:
    """Run the commands, and put the session into active-requests and on a queue, in one transaction."""
    pipe = ca.store.redis.pipeline(transaction=True)
    for command in commands:
        pipe.execute_command(*command)
    pipe.lpush("active-requests", session)
    pipe.lpush(f"pending-{queue}", session)
    pipe.publish("wake", "pushed")
    await pipe.execute()


async def garble(ca: Site) -> dict[str, str]:
    """One session of each kind; what is wrong, by id."""
    made = {secrets.token_hex(32): what for what in GARBLED}
    for session, what in made.items():
        queue, commands = GARBLED[what]
        await put(ca, session, queue, commands(session))
    return made


def check_log(program: Program) -> None:
    """Each line is one JSON object of printable characters."""
    assert program.other == []
    for line in program.raw:
        assert line.decode().isprintable()
        assert json.loads(line)["event"]
    assert len(program.named("supervisor.ready")) == 1


async def check_set_aside(ca: Site, program: Program, made: dict[str, str], good: list[str]) -> None:
    found = await ca.until(lambda found: found.certificates == len(good) and is_at_rest(found))
    assert {made.get(session, session) for session in await quarantined(ca.store)} == set(made.values())
    assert found.active == len(good)
    events = {event["session"]: event for event in program.named("recovery.quarantined")}
    assert {made.get(session, session) for session in events} == set(made.values())
    assert {event["level"] for event in events.values()} == {"error"}
    assert all(event["why"] for event in events.values())
    assert len(program.named("recovery.quarantined")) == len(made), "one session was reported twice"
    for event in ("stage.failed", "recovery.failed", "commit.refused"):
        assert program.named(event) == []


@pytest.mark.anyio
async def test_garbled_records_are_set_aside_while_running(tmp_path: Path) -> None:
    """What cannot be read goes into quarantine with an error each; the good sessions around it are done."""
    async with site(tmp_path) as ca:
        with await ca.start() as program:
            good = await ca.submit(5)
            made = await garble(ca)
            good += await ca.submit(5)
            await check_set_aside(ca, program, made, good)
            assert await to_thread.run_sync(program.stop) == 0
        check_log(program)


@pytest.mark.anyio
async def test_garbled_records_are_set_aside_at_the_start(tmp_path: Path) -> None:
    """The same through recovery; a second start finds nothing more to report."""
    async with site(tmp_path) as ca:
        async with store_for_command(tmp_path / "data"):
            made = await garble(ca)
            good = await ca.submit(5)
        with await ca.start() as program:
            await check_set_aside(ca, program, made, good)
            assert await to_thread.run_sync(program.stop) == 0
        check_log(program)
        with await ca.start() as again:
            assert again.named("recovery.quarantined") == []
            assert await to_thread.run_sync(again.stop) == 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    "odd",
    [b"\xff\xfe\x1b[31m", EVIL.encode(), b"", b"a:b:names", b"x" * 70000],
    ids=["bytes", "evil", "empty", "colons", "long"],
)
async def test_odd_ids_are_set_aside(tmp_path: Path, odd: bytes) -> None:
    """An id that is none, in active-requests and on a queue, ends in quarantine, and the program goes on."""
    async with site(tmp_path) as ca:
        with await ca.start() as program:
            await ca.store.redis.lpush("active-requests", odd)
            await ca.store.redis.lpush("pending-makechallenge", odd)
            good = await ca.submit(3)
            await ca.until(lambda found: found.certificates == 3 and is_at_rest(found))
            assert await to_thread.run_sync(program.stop) == 0
        check_log(program)
        with await ca.start() as again:
            good += await ca.submit(3)
            await ca.until(lambda found: found.certificates == len(good) and is_at_rest(found))
            assert odd not in await ca.store.redis.lrange("active-requests", 0, -1)
            assert await to_thread.run_sync(again.stop) == 0
        check_log(again)
        for event in ("stage.failed", "recovery.failed"):
            assert program.named(event) == again.named(event) == []


@pytest.mark.anyio
@pytest.mark.parametrize("field", ["csr", "profile", "account", "name", "answer"])
async def test_control_characters_end_no_log_line(tmp_path: Path, field: str) -> None:
    """Whatever a client sends, each log line stays one line of printable JSON, and the session ends in order."""
    async with site(tmp_path) as ca:
        with await ca.start() as program:
            if field == "answer":
                ca.peer.answer = lambda _: EVIL
            fields = {} if field in {"name", "answer"} else {field: EVIL}
            [session] = await ca.submit(1, **fields)
            if field == "name":
                session = secrets.token_hex(32)
                await put(ca, session, "makechallenge", [hset(session, GOOD), ("RPUSH", f"{session}:names", EVIL)])
            done = {"account": "certificate.issued", "answer": "validation.finished"}
            await to_thread.run_sync(program.wait_for, done.get(field, "session.rejected"))
            whole = await read_whole(ca.store, session)
            assert whole is not None
            assert whole.live == (field in done)
            assert await to_thread.run_sync(program.stop) == 0
        assert program.named("stage.failed") == []
        check_log(program)


@pytest.mark.anyio
async def test_secrets_are_nowhere(tmp_path: Path) -> None:
    """The CA key and its passphrase stand neither in the logs, at level debug, nor on a command line."""
    passphrase = "correct horse battery"  # noqa: S105  of this test only
    (tmp_path / "passphrase").write_text(passphrase + "\n")
    async with site(tmp_path, '[ca]\npassphrase_file = "passphrase"\n[logs]\nlevel = "debug"\n') as ca:
        key_file = tmp_path / "data/ca/intermediate.key"
        key = load_pem_private_key(key_file.read_bytes(), None)
        key_file.unlink()
        keys.save(key_file, keys.check_signing_key(key, "key"), passphrase.encode())
        with await ca.start() as program:
            await ca.submit(2)
            await ca.until_done(2)
            command_line = await anyio.Path(f"/proc/{program.pid}/cmdline").read_bytes()
            assert await to_thread.run_sync(program.stop) == 0
    seen = b"\n".join((*program.raw, command_line))
    lines = [line.encode() for line in key_file.read_text().splitlines() if "---" not in line]
    for secret in (passphrase.encode(), *lines):
        assert secret not in seen
