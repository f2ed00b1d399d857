"""Follows a session until it is done, rejected, or the time is over. For `supervisor.cli`.

While no supervisor runs, the embedded store is not held: a supervisor must be able to start.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final

import anyio

from stages.errors import StoreUnavailable
from stages.session import Session, State
from stages.store.reading import read_whole
from stages.store.store import Store
from supervisor.cli import output
from supervisor.cli.failures import Failure
from supervisor.cli.invocation import Invocation
from supervisor.cli.stores import alive, running, work_in
from supervisor.config import Settings
from supervisor.exit_codes import ExitCode
from supervisor.logs.safety import safe_text

FIRST_LOOK: Final = 0.1
LOOK: Final = 1.0
"""Seconds between two looks, first and later."""
NOBODY: Final = "no supervisor is running: the session waits until one does"


class Progress:
    """Tells a person how a session goes on: a status line on a terminal, else a line for each change."""

    def __init__(self, *, quiet: bool) -> None:
        self._last = ""
        self._quiet = quiet
        self._status: Callable[[str], None] | None = None
        self._stop: Callable[[], None] = lambda: None
        if not quiet and sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415  slow to load, and for a terminal only

            status = Console(stderr=True, highlight=False).status("...")
            status.start()
            self._status, self._stop = status.update, status.stop

    def say(self, text: str) -> None:
        """Show the present state."""
        if text == self._last or self._quiet:
            return
        self._last = text
        if self._status:
            from rich.markup import escape  # noqa: PLC0415  as above

            self._status(escape(safe_text(text)))
        else:
            output.note(text)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._stop()


def finished(session: Session) -> bool:
    """Whether nothing more is to be waited for."""
    return bool(session.cert) or not session.live


async def until_finished(
    invocation: Invocation, settings: Settings, session: str, seconds: int | None, progress: Progress
) -> Session:
    """The session once it has a certificate or has been rejected.

    Raises:
        Failure: the time is over, or there is no such session.
    """
    found = await work_in(settings, invocation, lambda store: _read(store, session))
    with anyio.move_on_after(seconds):
        while not finished(found):
            found = await _follow(invocation, settings, found, progress)
    if not finished(found):
        found = await work_in(settings, invocation, lambda store: _read(store, session))
    if not finished(found):
        reason = f"still {in_one_line(found)}; it goes on, `ca-supervisor wait` waits again"
        raise Failure(ExitCode.TIMED_OUT, f"session {session}", reason)
    return found


async def _follow(invocation: Invocation, settings: Settings, found: Session, progress: Progress) -> Session:
    """Follow it for as long as the store is there."""
    delay = FIRST_LOOK
    try:
        async with running(settings, invocation.clock) as store:
            while store is not None:
                found = await _read(store, found.id)
                if finished(found):
                    return found
                progress.say(in_one_line(found) if await alive(store) else NOBODY)
                await anyio.sleep(delay)
                delay = min(delay * 1.5, LOOK)
            progress.say(NOBODY)
    except StoreUnavailable as error:
        progress.say(f"{error}; waiting for it")
    await anyio.sleep(LOOK)
    return found


async def _read(store: Store, session: str) -> Session:
    found = await read_whole(store, session)
    if found is None:
        raise Failure(ExitCode.NOT_FOUND, f"session {session}", "there is no such session on record")
    return found


async def until_challenged(store: Store, session: str, seconds: float) -> Session:
    """The session with its challenges, or as it is when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = await _read(store, session)
        if found.challenges or not found.live or time.monotonic() > deadline:
            return found
        await anyio.sleep(FIRST_LOOK / 2)


def in_one_line(session: Session) -> str:
    """State, proofs, attempts and last error."""
    parts = [f"in state {session.state.value}"]
    if session.state is State.TESTCHALLENGE:
        proven = {challenge.name for challenge in session.challenges if challenge.satisfied}
        parts.append(f"{len(proven)} of {len(session.names)} names proven")
        tests = [record for challenge in session.challenges for record in challenge.data.attempts]
        parts.append(f"{len(tests)} tests on record")
        failed = [record for record in tests if record.error]
        if failed and (error := max(failed, key=lambda record: record.at).error):
            parts.append(f"last error: {error.detail}")
    elif session.attempts:
        parts.append(f"{session.attempts} failed tries")
    return ", ".join(parts)
