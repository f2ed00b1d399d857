"""The command line. `main` is the console script; a command's module is imported when the command is called.

Every command works while a supervisor runs, takes `--config FILE` and `--json`, and ends with a code of
`supervisor.exit_codes`. Each file here is one group of commands, except `invocation`, `stores`, `output` and
`failures`, which they share.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, NoReturn

import click

from supervisor.cli.invocation import Invocation, shared
from supervisor.exit_codes import ExitCode

COMMANDS: Final = {
    # name            module and object       what it does
    "init": ("founding:init", "Make the CA: a root, an intermediate, and config.toml when there is none."),
    "rotate": ("rotating:rotate", "Make a new intermediate from the root's key, beside the present one."),
    "check-config": ("checking:check_config", "Check config.toml and show the settings in effect."),
    "run": ("running:run", "Run the supervisor until it is told to stop."),
    "reload": ("reloading:reload_", "Have the running supervisor read its settings again, and say what came of it."),
    "tune": ("tuning:tune", "Say from what was measured how many slots each queue needs."),
    "submit": ("submitting:submit", "Ask for a certificate for a CSR."),
    "wait": ("submitting:wait", "Wait for the certificate of a session."),
    "sessions": ("sessions:sessions", "List sessions."),
    "show": ("showing:show", "Show the whole story of a session."),
    "cancel": ("sessions:cancel", "Give a session up."),
    "thanks": ("sessions:thanks", "Say that the certificate of a session has arrived."),
    "certificates": ("certificates:certificates", "List certificates, export one, or say when it is to be renewed."),
    "revoke": ("revoking:revoke", "Revoke a certificate and write the CRL."),
    "crl": ("revoking:crl", "Show the CRL, or write a new one."),
    "accounts": ("accounts:accounts", "List ACME accounts, or end one."),
    "eab": ("external:eab", "Make, list and withdraw credentials for ACME accounts."),
    "status": ("status:status", "Show queues, supervisors and totals."),
    "top": ("top:top", "Watch queues, throughput and sessions at a terminal."),
    "warnings": ("warning:warnings", "List what will go wrong if nobody does anything, or test who is told."),
    "quarantine": ("status:quarantine", "List the sessions that were set aside, with the reasons."),
    "recover": ("recovering:recover", "Put every session where it belongs, or say what that would do."),
    "fsck": ("fsck:fsck", "Look whether sessions, queues, certificates and the CRL keep the laws."),
    "backup": ("backup:backup", "Write all of the CA into one file, or verify one."),
    "restore": ("backup:restore", "Put a backup into an empty data directory."),
    "doctor": ("doctor:doctor", "Look whether this host can be trusted with a CA."),
}


class _Lazy(click.Group):
    """A group that knows its commands by name only, so that `--help` loads none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Every command, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(import_module(f"supervisor.cli.{module}"), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's signature
        """The table's sentences."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in COMMANDS.items()])


def _version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  click's signature
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415  slow, and for this option only

        click.echo(f"ca-supervisor {version('ca-supervisor')}")
        ctx.exit()


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@shared
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def cli() -> None:
    """A private certificate authority that loses no request. Exit codes: see docs/cli.md."""


def main() -> NoReturn:
    """The console script."""
    sys.exit(call(sys.argv[1:]))


def call(arguments: Sequence[str]) -> int:
    """Run one command line; gives the exit code."""
    invocation = Invocation(os.environ, time.time, os.urandom)
    try:
        code: Any = cli.main(list(arguments), "ca-supervisor", standalone_mode=False, obj=invocation)
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Nobody reads the output any more. Silently, as click does it, and Python must not complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAULT
    except Exception as error:  # noqa: BLE001  every error becomes one clear line and a code
        from supervisor.cli.failures import report  # noqa: PLC0415  not needed when all goes well

        return report(error, as_json="--json" in arguments)
    return int(code or 0)
