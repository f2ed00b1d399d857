"""The settings in effect, and their exchange on SIGHUP: a bad file changes nothing, a good one drops no session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from stages.challenges.validators import Validators
from stages.errors import Refused
from stages.session import State
from supervisor import build
from supervisor.build import Domain
from supervisor.config import ConfigError, Settings, load, reloaded
from supervisor.config.program import Queue
from supervisor.config.show import diff_for_reload
from supervisor.logs.setup import Logs
from supervisor.term.term import Term

log = structlog.get_logger()


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

    @property
    def settings(self) -> Settings:
        """What config.toml and the environment say."""
        return self.domain.settings

    def queue(self, state: State) -> Queue:
        """The settings of one queue."""
        table: Queue = getattr(self.settings.queues, state.value)
        return table

    def follow(self, validators: Validators, own: tuple[tuple[str, int], ...]) -> None:
        """Give these validators the new [validation] on a reload."""
        self._validators, self._own = validators, own

    def reload(self) -> bool:
        """Read the file again; True when it was taken."""
        try:
            read = load(self.path, self._environ)
            settings = reloaded(self.settings, read)
            domain = Domain(settings)
            in_place = [follow(settings) for follow in self.followers]
            if self._validators is not None:
                self._validators.reload(build.validation(settings, self._own))
        except ConfigError as error:
            log.error("config.refused", file=str(self.path), problems=[str(problem) for problem in error.problems])  # noqa: TRY400  a mistake of the file, not a fault
            return False
        except Refused as refused:
            log.error("config.refused", file=str(self.path), problems=[str(refused)])  # noqa: TRY400  as above
            return False
        changes = diff_for_reload(self.settings, read)
        self.domain = domain
        for put in in_place:
            put()
        self._logs.set_level(settings.logs.level)
        if self.term is not None:
            self.term.resize()
        log.info("config.reloaded", changed=list(changes.now), restart=list(changes.restart))
        return True
