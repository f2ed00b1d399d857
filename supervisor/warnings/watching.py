"""The task of a term that looks, again and again: gather, judge, log what changed, and let the channels tell it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import anyio
import structlog

from stages.errors import Refused
from supervisor.config import Settings
from supervisor.reload import Reloader
from supervisor.warnings.channels import Channel, channels
from supervisor.warnings.concern import Changes, Concern, Warnings
from supervisor.warnings.facts import Facts
from supervisor.warnings.memory import recall, remember
from supervisor.warnings.rules import judge
from supervisor.warnings.telling import Telling

log = structlog.get_logger()

_PATIENCE: Final = 60.0
"""Seconds for one look: a file system or a store that hangs must not end all looks."""


class Watching:
    """The warnings of a running program, from its start to its end, over all its terms.

    `reloader` has the present settings, `clock` gives unix time in seconds. Making one raises Refused where a file of
    [warnings] cannot be used.

    Attributes:
        warnings: what holds now.
        facts: what the last look has seen; None before the first.
    """

    def __init__(self, reloader: Reloader, clock: Callable[[], float]) -> None:
        self._reloader = reloader
        self._channels: Mapping[str, Channel] = channels(reloader.settings)
        self._data_dir = reloader.settings.data_dir
        before = recall(self._data_dir)
        self.warnings = Warnings(before.current)
        self.facts: Facts | None = None
        self._remembered = _gist(before.current, before.told)
        self._telling = Telling(
            lambda: reloader.settings, lambda: self._channels, lambda: self.warnings.current, before.told, clock
        )
        reloader.followers.append(self._follow)

    def _follow(self, settings: Settings) -> Callable[[], None]:
        """Make ready for new settings, and say what puts them in place."""
        made = channels(settings)

        def put() -> None:
            self._channels = made

        return put

    async def keep(self, look: Callable[[], Awaitable[Facts]]) -> None:
        """Look and tell for ever."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._telling.run, self._remember, name="telling")
            while True:
                await self._look(look)
                await self._reloader.sleep(lambda: self._reloader.settings.warnings.interval)

    async def _look(self, look: Callable[[], Awaitable[Facts]]) -> None:
        try:
            with anyio.fail_after(_PATIENCE):
                facts = await look()
        except TimeoutError:
            log.error("warning.failed", what="look", why=f"not through within {_PATIENCE:g} s")  # noqa: TRY400  a condition
            return
        except (Refused, OSError) as error:
            log.error("warning.failed", what="look", why=str(error))  # noqa: TRY400  a condition, not a fault of ours
            return
        except Exception:
            log.exception("warning.failed", what="look")
            return
        self.facts = facts
        record(self.warnings.update(judge(facts, self._reloader.settings.warnings, self.warnings.known)))
        self._remember()
        self._telling.looked()

    def _remember(self) -> None:
        current, told = self.warnings.current, self._telling.told
        gist = _gist(current, told)
        if gist == self._remembered:
            return
        self._remembered = gist
        try:
            remember(self._data_dir, current, told)
        except OSError as error:
            log.warning("warning.not_remembered", why=error.strerror)


def _gist(current: tuple[Concern, ...], told: Mapping[str, tuple[Concern, ...]]) -> object:
    """What is worth a write: texts that only count down are not."""
    states = [current, *(told[name] for name in sorted(told))]
    return sorted(told), [[(concern.key, concern.severity) for concern in concerns] for concerns in states]


def record(changes: Changes) -> None:
    """Write into the logs what one look has changed."""
    for concern in changes.raised:
        log.warning(
            "warning.raised",
            name=concern.name,
            severity=concern.severity.value,
            subject=concern.subject,
            why=concern.text,
            since=concern.since,
        )
    for concern in changes.cleared:
        log.info("warning.cleared", name=concern.name, subject=concern.subject, why=concern.text, since=concern.since)
