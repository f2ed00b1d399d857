"""A clock that a test sets: libfaketime under a program and all that it starts. Time that only passes is left alone.

What `time.monotonic` and CLOCK_BOOTTIME say is not changed, as it is when somebody sets a real clock.
"""

from __future__ import annotations

from pathlib import Path

_PLACES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")


def library() -> Path | None:
    """The library for programs with threads; None where it is not installed."""
    found = (file for place in _PLACES for file in sorted(Path(place).glob("**/libfaketimeMT.so.1")))
    return next(found, None)


def missing() -> str:
    """Why there is no such clock here; "" when there is."""
    return "" if library() else "there is no libfaketime (Debian: apt-get install faketime)"


class FakeClock:
    """A clock in `folder`; `environment` puts a program on it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: int) -> None:
        """Set it so far from the real one, at once: negative for behind."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)
