"""The laws through the door: the program is killed in the middle of a real client's order."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from tests.harness import door
from tests.harness.chain import check
from tests.harness.clients.base import Client, ClientError, Issued, Server
from tests.harness.clients.certbot import Certbot
from tests.harness.clients.lego import Lego
from tests.harness.fetching import service_port
from tests.harness.proxy import Moment, Proxy, proxy
from tests.harness.tls import Certificates

Make = Callable[[Server, Path], Client]
When = Literal["between", "before", "within", "after"]
WHEN: tuple[When, ...] = ("between", "before", "within", "after")
"""`between` is before a request that reaches the program when it is back; with the others its connection is dropped."""
MAKE: dict[str, Make] = {"certbot": Certbot, "lego": Lego}
TRIES = 5
"""How often a user runs a client that fails before giving up."""


class Killing:
    """Kills and starts the program at one moment of one request; `runs` are all its runs."""

    def __init__(self, ca: door.Door, front: Proxy) -> None:
        self.ca = ca
        self.front = front
        self.runs = [ca.start()]
        self._back = threading.Event()
        self._back.set()

    def arm(self, number: int, when: When, delay: float) -> None:
        """Kill `delay` seconds after that moment, once."""
        moment: Moment = "before" if when == "between" else when

        def watch(seen: int, now: Moment) -> bool:
            if (seen, now) != (number, moment):
                return False
            time.sleep(delay)
            self._back.clear()
            self.runs[-1].kill()
            restart = threading.Thread(target=self._restart)
            restart.start()
            if when == "between":
                restart.join()
            return when != "between"

        self.front.set_watch(watch)

    def _restart(self) -> None:
        self.runs.append(self.ca.start())
        self._back.set()

    def wait(self) -> None:
        """Wait until the program runs."""
        assert self._back.wait(30), "the program did not come back"

    def end(self) -> None:
        """Stop the program, and look at all that was logged."""
        assert self.runs[-1].stop() == 0
        assert [event for run in self.runs for event in run.events if event["level"] == "error"] == []
        assert [line for run in self.runs for line in run.other] == []


def until_issued(client: Client, name: str, killing: Killing) -> tuple[Issued, int]:
    """Run a client as a timer does, until it has its certificate; how often it failed, too."""
    for failures in range(TRIES):
        try:
            return client.issue([name]), failures
        except ClientError:
            killing.wait()
    raise AssertionError(f"{client.name} has no certificate after {TRIES} tries")


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("client", "count"), [("lego", None), ("certbot", 5)])
def test_kills(client: str, count: int | None, tmp_path: Path) -> None:
    """Whenever the program is killed, the client's next run ends with a certificate, and no order has two.

    Every moment of every request is tried, or `count` of them, by chance.
    """
    seed = int(os.environ.get("KILLS_SEED", random.randrange(2**32)))
    print(f"KILLS_SEED={seed}")  # noqa: T201  pytest shows it when the test fails
    chance = random.Random(seed)
    certificates = Certificates(tmp_path / "front")
    listen = service_port()
    with proxy(listen, certificates) as front:
        url = f"https://127.0.0.1:{front.server_port}"
        with door.founded(tmp_path / "ca", listen, url, certificates.ca, 'tls = "off"\n') as ca:
            killing = Killing(ca, front)
            try:
                _kill_at_steps(MAKE[client], count, chance, killing, tmp_path)
            finally:
                for run in killing.runs:
                    run.__exit__()


def _kill_at_steps(make: Make, count: int | None, chance: random.Random, killing: Killing, folder: Path) -> None:
    ca = killing.ca
    got = {"whole.internal": make(ca.server, folder / "whole").issue(["whole.internal"])}
    steps = [(number, when) for number in range(1, killing.front.seen + 1) for when in WHEN]
    failures = Counter({"whole.internal": 0})
    for number, when in steps if count is None else chance.sample(steps, count):
        name = f"{when}-{number}.internal"
        killing.arm(number, when, chance.choice((0.0, chance.uniform(0.0, 0.05))))
        got[name], failures[name] = until_issued(make(ca.server, folder / name), name, killing)
        killing.wait()
        assert failures[name] == 0 or when != "between", f"{name}: the client failed though every request was answered"
    kills = len(killing.runs) - 1
    assert kills > (count or len(steps)) // 2, "most steps were never reached"
    _audit(ca, got, failures)
    killing.end()


def _audit(ca: door.Door, got: dict[str, Issued], failures: Counter[str]) -> None:
    assert ca.ca("fsck")["breaches"] == []
    records = ca.ca("certificates")["certificates"]
    assert len({record["session"] for record in records}) == len(records), "a session has two certificates"
    serials = {record["serial"] for record in records}
    by_name = Counter(record["names"][0] for record in records)
    for name, issued in got.items():
        leaf = check(issued, [name], ca.root)
        assert f"{leaf.serial_number:x}" in serials, f"{name}: the client has what is not on record"
        assert 1 <= by_name[name] <= 1 + failures[name], f"{name}: more certificates than runs of the client"
