"""A log file that is moved, cut short or taken away while the program writes to it."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from anyio import to_thread

from tests.e2e.logs.log_file import events, has, started, until
from tests.harness.process import Program
from tests.harness.site import site

pytestmark = pytest.mark.anyio


async def test_moved_file_is_opened_again_on_a_signal(tmp_path: Path) -> None:
    """As logrotate does it with a postrotate that sends SIGUSR1: each certificate is in one of the two files, once."""
    file, moved = tmp_path / "log", tmp_path / "log.1"
    async with site(tmp_path / "ca", f'[logs]\nto = "{file}"\n') as ca:
        with await started(ca.config, file) as program:
            sessions = await ca.submit(20)
            file.rename(moved)
            program.signal(signal.SIGUSR1)
            await until(file, has("logs.reopened"))
            sessions += await ca.submit(20)
            await ca.until_done(40)
            assert await to_thread.run_sync(program.stop) == 0
    old, new = events(moved), events(file)
    assert [{"file": str(file), "event": "logs.reopened"}] == [
        {"file": line["file"], "event": line["event"]} for line in new if line["level"] != "info" or "file" in line
    ][:1]
    assert new[0]["event"] == "logs.reopened"
    issued = [line["session"] for line in old + new if line["event"] == "certificate.issued"]
    assert sorted(sessions) == sorted(issued)


async def test_file_that_is_cut_short_goes_on_at_its_beginning(tmp_path: Path) -> None:
    """As logrotate's copytruncate does it: nothing but whole lines from the first byte on."""
    file = tmp_path / "log"
    async with site(tmp_path / "ca", f'[logs]\nto = "{file}"\n') as ca:
        with await started(ca.config, file) as program:
            await ca.submit(5)
            await ca.until_done(5)
            await until(file, has("certificate.issued", 5))
            os.truncate(file, 0)
            [last] = await ca.submit(1)
            await until(file, has("certificate.issued"))
            assert await to_thread.run_sync(program.stop) == 0
    text = file.read_text()
    assert text.startswith('{"time":')
    assert [last] == [line["session"] for line in events(file) if line["event"] == "certificate.issued"]


async def test_file_that_cannot_be_opened_again_is_written_on(tmp_path: Path) -> None:
    """The old file says what is wrong, and the work goes on."""
    folder, moved = tmp_path / "logs", tmp_path / "moved"
    folder.mkdir()
    async with site(tmp_path / "ca", f'[logs]\nto = "{folder}/log"\n') as ca:
        with await started(ca.config, folder / "log") as program:
            folder.rename(moved)
            program.signal(signal.SIGUSR1)
            await until(moved / "log", has("logs.not_reopened"))
            await ca.submit(3)
            await until(moved / "log", has("certificate.issued", 3))
            shutil.copytree(moved, folder)
            program.signal(signal.SIGUSR1)
            await until(folder / "log", has("logs.reopened"))
            assert await to_thread.run_sync(program.stop) == 0
    [failed] = [line for line in events(moved / "log") if line["event"] == "logs.not_reopened"]
    expected = f"logs.to: {folder}/log cannot be opened: No such file or directory"
    assert (failed["level"], failed["why"]) == ("error", expected)


async def test_signal_means_nothing_to_standard_output(tmp_path: Path) -> None:
    """A logrotate that is set up for a file by mistake ends no program."""
    async with site(tmp_path) as ca:
        with await ca.start() as program:
            program.signal(signal.SIGUSR1)
            await ca.submit(1)
            await ca.until_done(1)
            assert await to_thread.run_sync(program.stop) == 0
    assert program.named("logs.reopened") == []


async def test_signal_before_the_program_hears_it_does_no_harm(tmp_path: Path) -> None:
    """From its first line on; the default would be to end it."""
    file = tmp_path / "log"
    async with site(tmp_path / "ca", f'[logs]\nto = "{file}"\n') as ca:
        with Program(ca.config) as program:
            await until(file, has("supervisor.starting"))
            program.signal(signal.SIGUSR1)
            await until(file, has("supervisor.ready"))
            assert await to_thread.run_sync(program.stop) == 0


@pytest.mark.parametrize(("to", "why"), [("missing/log", "No such file or directory"), (".", "Is a directory")])
async def test_file_that_cannot_be_opened_is_refused_at_the_start(tmp_path: Path, to: str, why: str) -> None:
    """Exit code 3, and one line that names the setting and the file; a relative path starts at config.toml's folder."""
    async with site(tmp_path, f'[logs]\nto = "{to}"\n') as ca:
        with Program(ca.config) as program:
            assert await to_thread.run_sync(program.end) == 3
    assert [f"error: logs.to: {(tmp_path / to)} cannot be opened: {why}"] == program.other
