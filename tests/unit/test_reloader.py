"""A reload is taken whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest
from structlog.testing import capture_logs

from stages.challenges.validators import Validators
from stages.errors import Refused
from supervisor.build import Domain
from supervisor.config import Change, Problem, load
from supervisor.reload import Outcome, Reloader


class Part:
    """Something that follows the settings, or refuses to."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.taken = 0

    def prepare(self, _: object) -> Callable[[], None]:
        """As validators and the front door's certificate do it."""
        if self.refuses:
            raise Refused("config", "acme.tls_certificate", "no")
        return self._take

    def _take(self) -> None:
        self.taken += 1


class Level:
    """The logs."""

    def set_level(self, level: str) -> None:
        """Take a level."""

    def set_form(self, form: str) -> None:
        """Take a form."""


@pytest.mark.parametrize(
    ("first", "second", "validators", "taken"),
    [
        (False, False, False, 1),
        (True, False, False, 0),
        (False, True, False, 0),
        (False, False, True, 0),
    ],
)
def test_reload_puts_all_in_place_or_nothing(
    tmp_path: Path,
    first: bool,  # noqa: FBT001  a row of the table
    second: bool,  # noqa: FBT001  as above
    validators: bool,  # noqa: FBT001  as above
    taken: int,
) -> None:
    """Whoever refuses, the settings and every other part stay as they were."""
    file = tmp_path / "config.toml"
    file.write_text('data_dir = "data"\n')
    domain = Domain(load(file, {}))
    reloader = Reloader(file, {}, domain, cast("Any", Level()))
    parts = [Part(refuses=first), Part(refuses=second)]
    reloader.followers += [part.prepare for part in parts]
    tester = Part(refuses=validators)
    reloader.follow(cast("Validators", tester), ())
    refused = Problem("acme.tls_certificate", "", "no")
    assert reloader.reload().problems == ([] if taken else [refused])
    assert [part.taken for part in (*parts, tester)] == [taken] * 3
    assert (reloader.domain is domain) is not bool(taken)


def made(file: Path, text: str) -> Reloader:
    """One that has read this text."""
    file.write_text(text)
    return Reloader(file, {}, Domain(load(file, {})), cast("Any", Level()))


def test_preview_is_what_the_reload_does_and_changes_nothing(tmp_path: Path) -> None:
    """Of another text, at whatever path; then the same text is taken from the file."""
    file = tmp_path / "config.toml"
    reloader = made(file, "")
    part = Part()
    reloader.followers.append(part.prepare)
    text = '[names]\nwildcards = false\n[store]\nlease = "12s"\n'
    expected = Outcome(
        [
            Change("store.lease", '"10s"', '"12s"', restart=True),
            Change("names.wildcards", "true", "false", restart=False),
        ]
    )
    before = reloader.domain
    assert expected == reloader.preview(tmp_path / "other.toml", text)
    assert (reloader.domain is before, part.taken) == (True, 0)
    file.write_text(text)
    assert expected == reloader.reload()
    assert (reloader.settings.names.wildcards, reloader.settings.store.lease, part.taken) == (False, 10.0, 1)
    waits = Outcome(expected.changes[:1])
    assert waits == reloader.preview(file, text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("bogus = 1\n", Problem("bogus", "1", "unknown key")),
        ('[keys]\nblocked_file = "none"\n', None),
    ],
)
def test_preview_has_the_mistakes(tmp_path: Path, text: str, problem: Problem | None) -> None:
    """Those of the text, and those of the files that it names; a reload has the same and changes nothing."""
    file = tmp_path / "config.toml"
    reloader = made(file, "")
    before = reloader.domain
    found = reloader.preview(file, text)
    assert [each.key for each in found.problems] == [problem.key if problem else "keys.blocked_file"]
    file.write_text(text)
    assert found == reloader.reload()
    assert reloader.domain is before


def test_reload_warns_of_what_has_become_unwise(tmp_path: Path) -> None:
    """Once: not again at the next reload."""
    file = tmp_path / "config.toml"
    file.write_text('[acme]\nlisten = "127.0.0.1:1"\nurl = "https://a.example"\ntls = "off"\n')
    reloader = made(file, file.read_text())
    file.write_text(file.read_text() + "[acme.limits.new_accounts]\ncount = 3\n")
    with capture_logs() as logs:
        first = reloader.reload()
        second = reloader.reload()
    assert [problem.key for problem in first.warnings] == ["acme.limits.new_accounts.count"]
    assert first.warnings == second.warnings
    assert [line["setting"] for line in logs if line["event"] == "config.warning"] == ["acme.limits.new_accounts.count"]


@pytest.mark.anyio
async def test_sleep_heeds_a_reload(tmp_path: Path) -> None:
    """Who sleeps for recovery.interval wakes when a reload makes that shorter than what was slept, and not before."""
    file = tmp_path / "config.toml"
    reloader = made(file, "")
    wished = [86_400.0]
    awake = anyio.Event()

    async def sleeper() -> None:
        await reloader.sleep(lambda: wished[0])
        awake.set()

    async with anyio.create_task_group() as group:
        group.start_soon(sleeper)
        await anyio.lowlevel.checkpoint()
        reloader.reload()
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        assert not awake.is_set()
        wished[0] = 0.0
        reloader.reload()
        with anyio.fail_after(5):
            await awake.wait()
