"""A real logrotate with the configuration of docs/logs.md moves the file, and no line is lost. Needs logrotate."""

from __future__ import annotations

import getpass
import grp
import gzip
import os
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from tests.e2e.logs.log_file import events, has, started, until
from tests.e2e.logs.page import blocks, config
from tests.harness.site import site

NEEDS = ("logrotate",)

_KILL = "systemctl kill --kill-whom=main --signal=SIGUSR1 ca-supervisor.service"


@pytest.mark.anyio
async def test_rotation_loses_no_line(tmp_path: Path) -> None:
    """Twice, under load: each certificate is in one of the files, once; a new file begins with `logs.reopened`."""
    folder = tmp_path / "logs"
    folder.mkdir(mode=0o755)
    file, conf = folder / "ca-supervisor.log", tmp_path / "logrotate.conf"
    [text] = blocks("logrotate")
    assert _KILL in text
    own = f"create 0640 {getpass.getuser()} {grp.getgrgid(os.getgid()).gr_name}"
    async with site(tmp_path / "ca", f'[logs]\nto = "{file}"\n') as ca:
        with await started(ca.config, file) as program:
            text = config(text, file).replace("create 0640 ca-supervisor ca-supervisor", own)
            conf.write_text(text.replace(_KILL, f"kill -USR1 {program.pid}"))
            conf.chmod(0o644)
            sessions = []
            for _ in range(2):
                sessions += await ca.submit(20)
                command = ["logrotate", "--force", "--state", str(tmp_path / "state"), str(conf)]
                await anyio.run_process(command)
                await until(file, has("logs.reopened"))
            await ca.until_done(40)
            assert await to_thread.run_sync(program.stop) == 0
    for packed in folder.glob("*.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    files = sorted(folder.iterdir(), reverse=True)
    assert [each.name for each in files] == ["ca-supervisor.log.2", "ca-supervisor.log.1", "ca-supervisor.log"]
    assert [events(each)[0]["event"] for each in files] == ["supervisor.starting", "logs.reopened", "logs.reopened"]
    lines = [line for each in files for line in events(each)]
    issued = [line["session"] for line in lines if line["event"] == "certificate.issued"]
    assert sorted(sessions) == sorted(issued)
