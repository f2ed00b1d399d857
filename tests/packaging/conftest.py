"""What every test of the packaging starts from: the one-file program as built, and a bare Debian to put it into.

`make test-packaging` builds what is tested here; these tests are not part of `make test`. They run as root.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging import debian

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def binary() -> Path:
    """dist/ca-supervisor; `make binary` builds it."""
    path = ROOT / "dist" / "ca-supervisor"
    assert path.is_file(), "there is no dist/ca-supervisor: run these tests with `make test-packaging`"
    return path


@pytest.fixture(scope="session")
def bare_debian() -> Path:
    """A Debian without Python; kept in build/ for the next run. Not to be changed: see `debian_root`."""
    assert os.geteuid() == 0, "the tests in tests/packaging use chroot: run them as root"
    return debian.bare(ROOT / "build")


@pytest.fixture
def debian_root(bare_debian: Path, tmp_path: Path) -> Iterator[debian.DebianRoot]:
    """A copy of the bare Debian for one test."""
    root = debian.copy(bare_debian, tmp_path / "debian")
    yield root
    shutil.rmtree(root.path)
