"""`check-config`: are the settings good, and the files that they name?"""

from __future__ import annotations

import tomllib
from typing import Any

import click

from stages.ca.issuer import Issuer
from stages.errors import Refused
from supervisor.build import Domain, alternates, issuer, store_settings
from supervisor.cli import output
from supervisor.cli.comparing import show_difference, show_running
from supervisor.cli.founding import described
from supervisor.cli.invocation import Invocation, shared
from supervisor.config import ConfigError, Problem, Settings, effective, warnings
from supervisor.http.tls import ServerTls
from supervisor.warnings.channels import channels


@click.command("check-config")
@shared
@click.option("--diff", is_flag=True, help="Show only what a reload would change in the running supervisor.")
@click.option("--running", is_flag=True, help="Show the settings that are in effect in the running supervisor.")
@click.pass_obj
def check_config(invocation: Invocation, diff: bool, running: bool) -> None:  # noqa: FBT001  click's signature
    """Check config.toml, the environment and the files they name; show the settings in effect, secrets hidden."""
    if diff and running:
        raise click.UsageError("--diff and --running are two questions; ask one of them")
    file = invocation.config_file().absolute()
    if running:
        show_running(invocation, file)
        return
    settings = invocation.settings()
    problems: list[Problem] = []
    issuing: Issuer | None = None
    unwise = [f"{each.key}: {each.reason}" for each in warnings(settings)]
    if settings.ca.certificate.exists() or settings.ca.key.exists():
        issuing = _check(problems, lambda: issuer(settings, invocation.now))
    else:
        unwise.append("ca.certificate: there is no CA yet; `ca-supervisor init` makes one")
    if issuing:
        _check(problems, lambda: alternates(settings, issuing, invocation.now))
    acme = settings.acme
    if acme.on and acme.tls_certificate and acme.tls_key:
        certificate, key = acme.tls_certificate, acme.tls_key
        _check(problems, lambda: ServerTls(certificate, key))
    _check(problems, lambda: Domain(settings))
    _check(problems, lambda: store_settings(settings, "unix:///"))
    _check(problems, lambda: channels(settings))
    if problems:
        raise ConfigError(problems, file)
    if diff:
        show_difference(invocation, file, settings)
        return
    _show(invocation, settings, issuing, unwise, str(file))


def _check(problems: list[Problem], make: Any) -> Any:
    try:
        return make()
    except Refused as refused:
        problem = Problem(refused.field, "", refused.reason)
        if problem not in problems:
            problems.append(problem)
        return None


def _show(invocation: Invocation, settings: Settings, issuing: Issuer | None, unwise: list[str], file: str) -> None:
    text = effective(settings)
    if invocation.json:
        output.document(
            {
                "config": file,
                "settings": tomllib.loads(text),
                "warnings": unwise,
                "issuer": described(issuing) if issuing else None,
            }
        )
        return
    output.line(f"# {file}")
    for row in text.splitlines():
        output.line(row)
    for warning in unwise:
        output.note(f"warning: {warning}")
    if issuing:
        name = issuing.certificate.subject.rfc4514_string()
        output.note(f"the issuer is {name}, valid until {output.when(issuing.not_after)}")
