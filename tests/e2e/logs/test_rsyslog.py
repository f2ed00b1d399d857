"""A real rsyslogd with the configuration of docs/logs.md takes the lines apart. Needs rsyslog."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.e2e.logs.page import blocks, config
from tests.e2e.logs.real_run import RealRun

NEEDS = ("rsyslog",)


def test_certificates_arrive_with_their_fields(tmp_path: Path, run: RealRun) -> None:
    """A row for each certificate: imfile follows the log, and mmjsonparse makes fields of its lines."""
    [text] = blocks("rsyslog")
    file, issued = tmp_path / run.file.name, tmp_path / "issued"
    conf = tmp_path / "rsyslog.conf"
    conf.write_text(f'global(workDirectory="{tmp_path}")\n{config(text, file)}')
    command = ["rsyslogd", "-n", "-f", str(conf), "-i", str(tmp_path / "pid")]
    assert subprocess.run([*command, "-N1"], capture_output=True, check=False, timeout=30).returncode == 0
    file.touch()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        with file.open("a") as log:
            log.write(run.file.read_text())
        deadline = time.monotonic() + 30
        while len(rows := issued.read_text().splitlines() if issued.exists() else []) < len(run.serials):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, rows
            time.sleep(0.02)
    finally:
        process.terminate()
        process.communicate(timeout=30)
    times = [line["time"] for line in run.lines if line["event"] == "certificate.issued"]
    expected = [" ".join(row) for row in zip(times, run.serials, run.names, run.sessions, strict=True)]
    assert expected == issued.read_text().splitlines()
