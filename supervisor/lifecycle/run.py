"""`run`: from a config file to an exit code. Reads settings, sets up logs, checks the CA, runs the program."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import anyio
import structlog

from stages.ca.issuer import Issuer
from stages.errors import Refused
from supervisor import build
from supervisor.build import Domain
from supervisor.config import ConfigError, load
from supervisor.config.load import warnings
from supervisor.embedded import refuse_unfinished
from supervisor.exit_codes import ExitCode
from supervisor.http.activation import Activation, take_passed
from supervisor.lifecycle.failures import exit_code, flatten
from supervisor.lifecycle.program import Program
from supervisor.logs.setup import setup
from supervisor.reload import Reloader
from supervisor.term.health import Health
from supervisor.version import VERSION

log = structlog.get_logger()


def run(config: Path, environ: Mapping[str, str]) -> int:
    """Run the program until it is told to stop; the exit code comes back, and everything that ended it is logged."""
    try:
        settings = load(config, environ)
    except ConfigError as error:
        sys.stderr.write(f"error: {error}\n")
        return ExitCode.CONFIG
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # a logrotate that comes before the program hears it does no harm
    try:
        table = settings.logs
        logs = setup(table.level, table.format, str(table.to), backlog=table.backlog)
    except Refused as refused:
        sys.stderr.write(f"error: {refused}\n")
        return ExitCode.CONFIG
    try:
        log.info("supervisor.starting", version=VERSION, config=str(config), pid=os.getpid())
        for problem in warnings(settings):
            log.warning("config.warning", setting=problem.key, why=problem.reason)
        activation = take_passed(os.environ, os.getpid())
        activation.check(settings)
        if activation.texts:
            log.info("supervisor.activated", sockets=activation.texts)
        refuse_unfinished(settings.data_dir)
        domain = Domain(settings)
        issuer = build.issuer(settings, int(time.time()))
        reloader = Reloader(config, environ, domain, logs)
        anyio.run(_run, reloader, issuer, activation, backend_options={"use_uvloop": True})
    except Refused as refused:
        return _failed(ExitCode.CONFIG, str(refused))
    except BaseException as error:  # the last line of the log says why the program ended
        cause = flatten(error)
        code = exit_code(cause)
        if code is ExitCode.FAULT:
            log.exception("supervisor.failed", code=int(code), why=f"{type(cause).__name__}: {cause}", exc_info=cause)
            return code
        return _failed(code, str(cause))
    else:
        log.info("supervisor.stopped")
        return ExitCode.OK
    finally:
        logs.close()


async def _run(reloader: Reloader, issuer: Issuer, activation: Activation) -> None:
    await Program(reloader, issuer, Health(), activation).run()


def _failed(code: ExitCode, why: str) -> int:
    log.error("supervisor.failed", code=int(code), why=why)
    return code
