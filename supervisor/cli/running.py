"""`run`: the supervisor itself. Its messages are the logs; everything else is `supervisor.lifecycle.run`'s."""

from __future__ import annotations

import click

from supervisor.cli.invocation import Invocation, shared


@click.command()
@shared
@click.pass_obj
def run(invocation: Invocation) -> int:
    """Run the supervisor until SIGTERM or SIGINT; SIGHUP reads the settings again. --json makes the logs JSON."""
    from supervisor.lifecycle.run import run as run_program  # noqa: PLC0415  all of the program, and for this command only

    environ = dict(invocation.environ)
    if invocation.json:
        environ["CA_SUPERVISOR__LOGS__FORMAT"] = "json"
    return run_program(invocation.config_file(), environ)
