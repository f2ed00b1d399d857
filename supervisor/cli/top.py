"""`top`: the program at a terminal, live."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from typing import Final

import anyio
import click
import msgspec
from rich.console import Console
from rich.live import Live

from stages.errors import StoreUnavailable
from supervisor.cli import output
from supervisor.cli.invocation import Invocation, shared
from supervisor.cli.top_frame import frame
from supervisor.cli.top_source import EVERY, Look, Source

_QUIT: Final = frozenset(b"qQ\x1b")
_ESCAPE: Final = 0x1B
_HINT: Final = "q quits"


@click.command()
@shared
@click.option("--once", is_flag=True, help="Print one frame and end; so does a call that is not at a terminal.")
@click.pass_obj
def top(invocation: Invocation, once: bool) -> None:  # noqa: FBT001  click gives flags so
    """Show queues, throughput, sessions and the CA live: from the admin listener, or the store when that is off."""
    source = Source(invocation.settings(), invocation)
    if invocation.json:
        look = anyio.run(source.look)
        made = {"overview": look.overview, "sessions": look.sessions, "where": look.where}
        output.document(msgspec.to_builtins(made))
        return
    if once or not sys.stdout.isatty():
        _print(anyio.run(source.look))
        return
    anyio.run(_live, source)


def _print(look: Look) -> None:
    """One frame; where nobody looks each row is whole, and without colour."""
    if sys.stdout.isatty():
        console = Console(file=sys.stdout, highlight=False, markup=False)
        console.print(frame(look, console.height, console.width))
        return
    console = Console(width=output.WIDE, highlight=False, markup=False, color_system=None, file=sys.stdout)
    with console.capture() as capture:
        console.print(frame(look, _TALL, _COLUMNS, fit=False))
    click.echo("\n".join(row.rstrip() for row in capture.get().splitlines()))


_COLUMNS: Final = 120
_TALL: Final = 60


async def _live(source: Source) -> None:
    """Draw until somebody quits; the terminal is then as it was before. Raises KeyboardInterrupt for that key."""
    console = Console(highlight=False, markup=False)
    screen = _Screen(console, source)
    with _keys() as descriptor, Live(console=console, screen=True, auto_refresh=False) as live:
        async with anyio.create_task_group() as group:
            group.start_soon(screen.follow_signals, live, group.cancel_scope)
            if descriptor is not None:
                group.start_soon(_until_quit, descriptor, group.cancel_scope)
            await screen.run(live)
    if screen.interrupted:
        raise KeyboardInterrupt


class _Screen:
    """What is on the screen: the last look, drawn anew when the size changes."""

    def __init__(self, console: Console, source: Source) -> None:
        self._console = console
        self._source = source
        self._look: Look | None = None
        self._fault = ""
        self.interrupted = False

    async def run(self, live: Live) -> None:
        """Look and draw, for ever. Raises what the first look raises; later ones are tried again."""
        while True:
            try:
                self._look, self._fault = await self._source.look(), ""
            except StoreUnavailable as error:
                if self._look is None:
                    raise
                self._fault = str(error)
            self.draw(live)
            await anyio.sleep(self._look.again if self._look is not None else EVERY)

    async def follow_signals(self, live: Live, scope: anyio.CancelScope) -> None:
        """Draw when the terminal has another size; end at the interrupt key."""
        with anyio.open_signal_receiver(signal.SIGWINCH, signal.SIGINT) as signals:
            async for number in signals:
                if number == signal.SIGINT:
                    self.interrupted = True
                    scope.cancel()
                    return
                self.draw(live)

    def draw(self, live: Live) -> None:
        """Draw what was seen last."""
        if self._look is not None:
            width, height = self._console.size
            hint = f"{_HINT}   {self._fault}" if self._fault else _HINT
            live.update(frame(self._look, height, width, hint), refresh=True)


@contextlib.contextmanager
def _keys() -> Iterator[int | None]:
    """Keys one by one, without echo; None where they do not come from a terminal."""
    if not sys.stdin.isatty():
        yield None
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


async def _until_quit(descriptor: int, scope: anyio.CancelScope) -> None:
    while True:
        await anyio.wait_readable(descriptor)
        keys = os.read(descriptor, 64)
        alone = len(keys) == 1  # an escape with more behind it is an arrow or another key
        if not keys or (keys[0] in _QUIT and (alone or keys[0] != _ESCAPE)):
            scope.cancel()
            return
