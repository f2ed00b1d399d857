"""`top` in a real pseudo-terminal and in pipes: from the listener by TCP and by its socket, and from the store."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path
from typing import Any, Final, Self

import pytest
from anyio import to_thread

from tests.e2e.command import PROGRAM, as_process
from tests.harness.authority import environment
from tests.harness.fetching import service_port
from tests.harness.process import ROOT
from tests.harness.site import site

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
"""The terminal's other screen (xterm)."""
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PATIENCE: Final = 30.0


class Terminal:
    """A command at a pseudo-terminal of its own; `text` is all that it has written."""

    def __init__(self, config: Path, *arguments: str, rows: int = 30, columns: int = 120) -> None:
        self.master, self.slave = pty.openpty()
        self.size(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.text = ""
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *PROGRAM, *arguments, "--config", str(config)],  # so that Ctrl-C goes to it
            cwd=ROOT,
            env=environment({"TERM": "xterm-256color"}),
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def size(self, rows: int, columns: int) -> None:
        """Make it so large; the command is told by SIGWINCH, as by a terminal."""
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if hasattr(self, "process"):
            self.process.send_signal(signal.SIGWINCH)

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self.master, keys)

    def until(self, wanted: str) -> str:
        """Read until this is seen in what comes from now on; what has come."""
        came, deadline = "", time.monotonic() + _PATIENCE
        while wanted not in came:
            assert time.monotonic() < deadline, f"no {wanted!r} in {came!r}"
            if select.select([self.master], [], [], 0.2)[0]:
                came += os.read(self.master, 1 << 16).decode()
        self.text += came
        return came

    def end(self) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + _PATIENCE
        while self.process.poll() is None or select.select([self.master], [], [], 0)[0]:
            assert time.monotonic() < deadline, "it does not end"
            if select.select([self.master], [], [], 0.05)[0]:
                self.text += os.read(self.master, 1 << 16).decode()
        return self.process.returncode

    def frames(self) -> list[list[str]]:
        """Every frame as its rows, without colours."""
        return [_ESCAPES.sub("", frame).splitlines() for frame in self.text.split("\x1b[H")[1:]]


def top(config: Path, *arguments: str) -> str:
    """The standard output of a `top` that is not at a terminal."""
    done = as_process(config.parent, {}, "top", "--config", str(config), *arguments)
    assert done.code == 0, done.err
    return done.out


@pytest.mark.anyio
async def test_top_follows_the_program_and_the_size_of_the_terminal(tmp_path: Path) -> None:
    """It draws on the other screen, shows what happens and fits after a resize; q gives the terminal back as it was."""
    async with site(tmp_path, f'[admin]\nlisten = "127.0.0.1:{service_port()}"\n') as ca:
        with await ca.start() as program:
            with Terminal(ca.config, "top") as terminal:
                first = await to_thread.run_sync(terminal.until, "q quits")
                assert ENTER in first
                assert "no sessions" in first
                await ca.submit(3)
                await to_thread.run_sync(terminal.until, "certificates 3")
                await to_thread.run_sync(terminal.until, "q quits")
                terminal.size(18, 70)
                for _ in range(2):  # one may have been drawn in the old size
                    await to_thread.run_sync(terminal.until, "q quits")
                small = terminal.frames()[-1]
                assert len(small) <= 18
                assert max(map(len, small)) <= 70
                assert small[3].startswith("makechallenge")
                assert [row for row in small if row.strip()][-1].startswith("q quits")
                assert termios.tcgetattr(terminal.slave)[3] & termios.ECHO == 0
                terminal.press(b"q")
                assert await to_thread.run_sync(terminal.end) == 0
                assert terminal.text.rstrip().endswith(LEAVE) or LEAVE in terminal.text[-40:]
                assert termios.tcgetattr(terminal.slave) == terminal.before
            assert await to_thread.run_sync(program.stop) == 0


@pytest.mark.anyio
@pytest.mark.parametrize(("key", "code"), [(b"\x1b", 0), (b"\x03", 130)], ids=["escape", "interrupt"])
async def test_top_ends_by_escape_and_by_interrupt(tmp_path: Path, key: bytes, code: int) -> None:
    """Both give the terminal back; an arrow, which begins like Escape, does not end it."""
    async with site(tmp_path) as ca:
        with await ca.start() as program:
            with Terminal(ca.config, "top") as terminal:
                drawn = await to_thread.run_sync(terminal.until, "q quits")
                assert "from the store" in drawn
                terminal.press(b"\x1b[A")
                await to_thread.run_sync(terminal.until, "q quits")
                terminal.press(key)
                assert await to_thread.run_sync(terminal.end) == code
                assert LEAVE in terminal.text
                assert termios.tcgetattr(terminal.slave) == terminal.before
            assert await to_thread.run_sync(program.stop) == 0


@pytest.mark.anyio
async def test_top_once_asks_the_listener_at_its_socket_with_its_token(tmp_path: Path) -> None:
    """One frame without colour in a pipe, from a unix socket that asks for a token; another token is refused."""
    token, admin = tmp_path / "token", tmp_path / "admin.sock"
    token.write_text("a-token-of-twenty-letters\n")
    async with site(tmp_path, f'[admin]\nlisten = "unix:{admin}"\ntoken_file = "{token}"\n') as ca:
        with await ca.start() as program:
            await ca.submit(2)
            await ca.until_done(2)
            once = await to_thread.run_sync(top, ca.config, "--once")
            head, *rest = once.splitlines()
            assert f"from the admin listener, unix:{admin}" in head
            assert "ready" in head
            assert "\x1b" not in once
            assert [row.split()[0] for row in rest[2:6]] == ["makechallenge", "testchallenge", "issue", "done"]
            assert "certificates 2" in once
            assert once.count("undelivered  ") >= 2
            other = tmp_path / "other"
            other.write_text("another-token-of-letters\n")
            environ = {"CA_SUPERVISOR__ADMIN__TOKEN_FILE": str(other)}
            refused = await to_thread.run_sync(as_process, ca.folder, environ, "top", "--config", str(ca.config))
            assert refused.code == 3
            assert "admin.token_file: the program that runs asks for another token" in refused.err
            assert await to_thread.run_sync(program.stop) == 0


@pytest.mark.anyio
async def test_top_needs_no_supervisor(tmp_path: Path) -> None:
    """Without one it looks into the embedded store for its moment, and --json has all that a frame is made of."""
    async with site(tmp_path, f'[admin]\nlisten = "127.0.0.1:{service_port()}"\n') as ca:
        with await ca.start() as program:
            await ca.submit(2)
            await ca.until_done(2)
            assert await to_thread.run_sync(program.stop) == 0
        frame = await to_thread.run_sync(top, ca.config)
        assert "from the store, which no supervisor works on" in frame.splitlines()[0]
        assert "certificates 2" in frame
        found: Any = json.loads(await to_thread.run_sync(top, ca.config, "--json"))
        assert found["overview"]["program"] is None
        assert found["overview"]["store"]["certificates"] == 2
        assert [row["place"] for row in found["sessions"]["rows"]] == ["undelivered"] * 2
