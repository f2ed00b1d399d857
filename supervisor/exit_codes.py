"""Every exit code of the program, once; docs/cli.md explains them. Anyone may import it."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    FAULT = 1
    """A fault of the program."""
    USAGE = 2
    """The command line is wrong."""
    CONFIG = 3
    """A setting, or a file that a setting names, is wrong."""
    INPUT = 4
    """What the command was given (a CSR, a name, a serial number) is refused."""
    STORE = 5
    """The store cannot be reached or started."""
    HELD = 6
    """Another supervisor holds the store."""
    REJECTED = 7
    """The session ended without a certificate."""
    TIMED_OUT = 8
    """The time given with --timeout is over, and the session goes on; or the running supervisor did not answer."""
    NOT_FOUND = 9
    """There is no such session, certificate, account or credential on record, or no running supervisor."""
    FINDINGS = 10
    """`doctor` found an error, or `fsck` a breach."""
    INTERRUPTED = 130
    """Ctrl-C."""
