"""The program as the forms of `make torture` run it; `nursery` starts it.

From outside, by the environment: TORTURE_SIGNED names a file that gets a line for each signature, before anyone else
can know of it; TORTURE_TRACE and TORTURE_TARGET are for `doors`; TORTURE_STORE is a URL at which the program reaches
its embedded store.
"""

from __future__ import annotations

import hashlib
import os
import sys
from typing import Any

from benchmarks.torturing import nursery, wrapping
from benchmarks.torturing.doors import Doors, append
from stages.ca import certificate, crl
from supervisor.embedded import server


def main() -> None:
    """Import the program, wait to be asked for a fork, wrap what was asked for, then be the program."""
    late = LateSign()
    certificate.sign = late.certificate  # before anyone has imported the functions by name
    crl.build_crl = late.crl  # type: ignore[assignment]
    import supervisor.cli.checking  # noqa: PLC0415  imports are no steps
    import supervisor.cli.revoking  # noqa: PLC0415  as above
    import supervisor.lifecycle.run  # noqa: F401, PLC0415  as above
    from supervisor.cli import main as program  # noqa: PLC0415  as above

    arguments, environ = nursery.serve(int(sys.argv[2]))
    os.environ.clear()
    os.environ.update(environ)
    sys.argv[1:] = arguments
    late.signed = environ["TORTURE_SIGNED"]
    if url := environ.get("TORTURE_STORE"):
        reach_store_at(url)
    if "TORTURE_TRACE" in environ:
        late.doors = doors = Doors(environ["TORTURE_TRACE"], environ["TORTURE_TARGET"])
        for wrap in (wrapping.wrap_files, wrapping.wrap_network, wrapping.wrap_processes, wrapping.wrap_store):
            wrap(doors)
    program()


class LateSign:
    """Signs, as a door where there are doors, and notes the serial of each certificate and the SHA-256 of its DER."""

    def __init__(self) -> None:
        self.signed = ""
        self.doors: Doors | None = None
        self._sign: Any = certificate.sign
        self._build: Any = crl.build_crl

    def certificate(self, intent: Any, issuer: Any) -> bytes:
        """`stages.ca.certificate.sign`."""
        step = self.doors.enter("sign certificate") if self.doors else ""
        der: bytes = self._sign(intent, issuer)
        append(self.signed, f"{intent.serial} {hashlib.sha256(der).hexdigest()}")
        if self.doors:
            self.doors.leave(step)
        return der

    def crl(self, *args: Any) -> bytes:
        """`stages.ca.crl.build_crl`."""
        step = self.doors.enter("sign CRL") if self.doors else ""
        der: bytes = self._build(*args)
        if self.doors:
            self.doors.leave(step)
        return der


def reach_store_at(url: str) -> None:
    """Put something between the program and its embedded store; the store's keeper goes on asking it directly."""
    init: Any = server.Embedded.__init__

    def changed(self: Any, *args: Any) -> None:
        init(self, *args)
        self.url = url

    server.Embedded.__init__ = changed  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    main()
