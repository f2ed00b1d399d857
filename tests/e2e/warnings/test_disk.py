"""A file system that fills up under the running program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.authority import make_authority
from tests.harness.process import Program
from tests.harness.small_disk import inside

MIB = 1 << 20


@pytest.mark.parametrize("what", ["space", "inodes"])
def test_disk_that_is_nearly_full(
    tmp_path: Path, small_disk: Callable[[Path, Path, int], list[str]], what: str
) -> None:
    """It is warned of before it is full, once, and cleared when there is room again; the program goes on."""
    limit = 'disk_free = "8MiB"\ndisk_percent = 0' if what == "space" else 'disk_free = "0B"\ndisk_percent = 50'
    config = make_authority(tmp_path, f'[warnings]\ninterval = "1s"\n{limit}\n')
    data = tmp_path / "data"
    with Program(config, argv=small_disk(config, data, 16 * MIB)) as program:
        program.wait_for("supervisor.ready")
        filler = inside(program.pid, data / "filler")
        if what == "space":
            filler.write_bytes(bytes(9 * MIB))
        else:
            filler.mkdir()
            for number in range(2500):
                (filler / str(number)).touch()
        raised = program.wait_for("warning.raised")
        assert (raised["name"], raised["severity"]) == (f"disk_{what}", "warning")
        if what == "space":
            filler.unlink()
        else:
            for file in filler.iterdir():
                file.unlink()
        assert program.wait_for("warning.cleared")["name"] == f"disk_{what}"
        assert program.stop() == 0
    assert len(program.named("warning.raised")) == 1
