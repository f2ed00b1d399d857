"""The channels that [warnings] names, made from settings; what is wrong with a file is said before anything is sent."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from stages.errors import Refused
from supervisor.build import read_secret
from supervisor.config import Settings
from supervisor.config.notices import Warnings, host_and_port
from supervisor.warnings.mail import Mail, MailSettings
from supervisor.warnings.notice import Notice
from supervisor.warnings.webhook import Webhook

NAMES = (Webhook.name, Mail.name)
"""Every channel there can be."""


class Channel(Protocol):
    """A way to somebody."""

    async def send(self, notice: Notice) -> str:
        """Tell them; whom it could not tell, "" for nobody. Raises `supervisor.warnings.webhook.NotTold`."""
        ...


def channels(settings: Settings) -> Mapping[str, Channel]:
    """Those that are configured, by name. Raises Refused("config", "warnings...", ...)."""
    table = settings.warnings
    made: dict[str, Channel] = {}
    if not table.webhook_url and not table.mail_to:
        return made
    context = _trust(table.tls_ca_file)
    if table.webhook_url:
        secret = read_secret(table.webhook_secret_file, "warnings.webhook_secret_file")
        made[Webhook.name] = Webhook(table.webhook_url, secret, context, table.timeout)
    if table.mail_to:
        password = read_secret(table.smtp_password_file, "warnings.smtp_password_file")
        made[Mail.name] = Mail(_mail(table), password, context)
    return made


def _mail(table: Warnings) -> MailSettings:
    host, port = host_and_port(table.smtp)
    return MailSettings(
        host=host,
        port=port,
        tls=table.smtp_tls,
        user=table.smtp_user,
        sender=table.mail_from,
        to=table.mail_to,
        timeout=table.timeout,
    )


def _trust(file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        raise Refused("config", "warnings.tls_ca_file", f"{file} holds no readable PEM certificate") from None
    except OSError as error:
        raise Refused("config", "warnings.tls_ca_file", f"{file} cannot be read: {error.strerror}") from None
