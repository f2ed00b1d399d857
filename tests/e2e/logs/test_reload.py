"""A reload takes another form of the lines at once, and leaves the destination for a restart."""

from __future__ import annotations

import signal
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from tests.e2e.logs.log_file import started
from tests.harness.site import site


@pytest.mark.anyio
async def test_form_is_taken_and_destination_waits(tmp_path: Path) -> None:
    """The line that tells of the reload is the first one of the new form, in the old file."""
    file, other = tmp_path / "log", tmp_path / "other"
    async with site(tmp_path / "ca", f'[logs]\nto = "{file}"\nformat = "json"\n') as ca:
        with await started(ca.config, file) as program:
            text = ca.config.read_text()
            ca.config.write_text(text.replace(f'"{file}"', f'"{other}"').replace('"json"', '"logfmt"'))
            program.signal(signal.SIGHUP)
            with anyio.fail_after(10):
                while "event=config.reloaded" not in file.read_text():  # noqa: ASYNC110  another process writes it
                    await anyio.sleep(0.02)
            assert await to_thread.run_sync(program.stop) == 0
    lines = file.read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if not line.startswith("{"))
    assert lines[first].endswith(' event=config.reloaded changed="[\\"logs.format\\"]" restart="[\\"logs.to\\"]"')
    assert all(line.startswith("time=") for line in lines[first:])
    assert not other.exists()
