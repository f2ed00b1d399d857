"""The settings in effect, and their exchange on a reload: a bad file changes nothing, a good one drops no session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import anyio
import structlog

from stages.challenges.validators import Validators
from stages.errors import Refused
from stages.session import State
from supervisor import build
from supervisor.build import Domain
from supervisor.config import Change, ConfigError, Problem, Settings, changes, load, reloaded, warnings
from supervisor.config.program import Queue
from supervisor.logs.setup import Logs
from supervisor.term.term import Term

log = structlog.get_logger()


class Outcome(NamedTuple):
    """What a reload has changed, or would change. With `problems` it changes nothing."""

    changes: list[Change] = []  # noqa: RUF012  never written to
    problems: list[Problem] = []  # noqa: RUF012  as above
    warnings: list[Problem] = []  # noqa: RUF012  as above


class _Ready(NamedTuple):
    """Settings that every part is ready for."""

    outcome: Outcome
    domain: Domain
    puts: list[Callable[[], None]]


class Reloader:
    """Holds `settings` and the `domain` made from them. Others ask it each time, so they see the present ones.

    Each of the `followers` makes ready for new settings and returns what puts them in place. One that raises Refused
    keeps the old ones, and nothing is put in place before all are ready: a bad file changes nothing.
    """

    def __init__(self, path: Path, environ: Mapping[str, str], domain: Domain, logs: Logs) -> None:
        self.path = path
        self.domain = domain
        self.term: Term | None = None
        self.followers: list[Callable[[Settings], Callable[[], None]]] = []
        self._environ = environ
        self._logs = logs
        self._validators: Validators | None = None
        self._own: tuple[tuple[str, int], ...] = ()
        self._taken = anyio.Event()

    @property
    def logs(self) -> Logs:
        """The log set-up in effect."""
        return self._logs

    @property
    def settings(self) -> Settings:
        """The settings in effect: those of the last good file, where they did not have to wait for a restart."""
        return self.domain.settings

    def reopen_logs(self) -> None:
        """Open the log file again, which a logrotate has moved away; nothing to do for other destinations."""
        try:
            file = self._logs.reopen()
        except Refused as refused:
            log.error("logs.not_reopened", why=str(refused))  # noqa: TRY400  a condition, not a fault of ours
        else:
            if file:
                log.info("logs.reopened", file=file)

    def queue(self, state: State) -> Queue:
        """The settings of one queue."""
        table: Queue = getattr(self.settings.queues, state.value)
        return table

    def follow(self, validators: Validators, own: tuple[tuple[str, int], ...]) -> None:
        """Give these validators the new [validation] on a reload."""
        self._validators, self._own = validators, own

    async def sleep(self, seconds: Callable[[], float]) -> None:
        """Sleep for `seconds()`; a reload that changes it counts at once, also for what has been slept already."""
        began = anyio.current_time()
        while (left := began + seconds() - anyio.current_time()) > 0:
            await self.pause(left)

    async def pause(self, seconds: float) -> None:
        """Sleep until a reload is taken, for `seconds` at the most."""
        with anyio.move_on_after(seconds):
            await self._taken.wait()

    def preview(self, path: Path, text: str) -> Outcome:
        """What a reload would do if the file at `path` said `text`; nothing is changed."""
        try:
            return self._prepare(path, text).outcome
        except ConfigError as error:
            return Outcome(problems=error.problems)

    def reload(self) -> Outcome:
        """Read the file again, and take what it says."""
        before = warnings(self.settings)
        try:
            ready = self._prepare(self.path)
        except ConfigError as error:
            log.error("config.refused", file=str(self.path), problems=[str(problem) for problem in error.problems])  # noqa: TRY400  a mistake of the file, not a fault
            return Outcome(problems=error.problems)
        self.domain = ready.domain
        for put in ready.puts:
            put()
        self._logs.set_level(self.settings.logs.level)
        self._logs.set_form(self.settings.logs.format)
        if self.term is not None:
            self.term.resize()
        self._taken.set()
        self._taken = anyio.Event()
        found = ready.outcome.changes
        now, restart = ([each.key for each in found if each.restart is kind] for kind in (False, True))
        log.info("config.reloaded", changed=now, restart=restart)
        for problem in ready.outcome.warnings:
            if problem not in before:
                log.warning("config.warning", setting=problem.key, why=problem.reason)
        return ready.outcome

    def _prepare(self, path: Path, text: str | None = None) -> _Ready:
        """Make ready for a file. Raises ConfigError, also for what a part refuses."""
        read = load(path, self._environ, text)
        settings = reloaded(self.settings, read)
        try:
            domain = Domain(settings)
            puts = [follow(settings) for follow in self.followers]
            if self._validators is not None:
                puts.append(self._validators.prepare(build.validation(settings, self._own)))
        except Refused as refused:
            raise ConfigError([Problem(refused.field, "", refused.reason)], path) from None
        return _Ready(Outcome(changes(self.settings, read), [], warnings(settings)), domain, puts)
