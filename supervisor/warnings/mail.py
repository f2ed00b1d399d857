"""Sends a notice by mail (RFC 5321, RFC 5322). For `supervisor.warnings.channels` only.

smtplib blocks, so it works in a thread; each of its steps has the timeout, and a cancelled one loses its connection.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Final

import anyio
import msgspec

from supervisor.warnings.notice import Notice, body, heading
from supervisor.warnings.webhook import NotTold

_STEPS: Final = 6
"""Timeouts that a whole conversation may take: connect, greet, encrypt, log in, addresses, text."""


class MailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail goes and how; `tls` is "starttls", "tls" or "off", `timeout` in seconds."""

    host: str
    port: int
    tls: str
    user: str
    sender: str
    to: tuple[str, ...]
    timeout: float


def message(settings: MailSettings, notice: Notice) -> EmailMessage:
    """The mail; it asks to be answered by no machine (RFC 3834 5)."""
    made = EmailMessage()
    made["From"] = settings.sender
    made["To"] = ", ".join(settings.to)
    made["Subject"] = heading(notice)
    made["Date"] = format_datetime(datetime.fromtimestamp(notice.time, UTC))
    made["Message-ID"] = make_msgid(domain=settings.sender.rpartition("@")[2])
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(body(notice))
    return made


class Mail:
    """One mail server. `context` checks its certificate; `password` is that of the settings' user."""

    name = "mail"

    def __init__(self, settings: MailSettings, password: str, context: ssl.SSLContext) -> None:
        self._settings = settings
        self._password = password
        self._context = context
        self._open: smtplib.SMTP | None = None

    async def send(self, notice: Notice) -> str:
        """Send it; which addresses the server does not know, "" for none.

        Raises NotTold unless it has taken it for one at least: the others would get it again with every try.
        """
        try:
            with anyio.fail_after(self._settings.timeout * _STEPS):
                return await anyio.to_thread.run_sync(
                    self._send, message(self._settings, notice), abandon_on_cancel=True
                )
        except TimeoutError:
            raise NotTold(f"no answer within {self._settings.timeout:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise NotTold(f"the server's certificate is not trusted: {error.verify_message}") from None
        except smtplib.SMTPAuthenticationError as error:
            raise NotTold(f"the server refuses the login of warnings.smtp_user ({error.smtp_code})") from None
        except smtplib.SMTPRecipientsRefused as error:
            raise NotTold(_refused(error.recipients)) from None
        except smtplib.SMTPResponseException as error:
            raise NotTold(f"the server answers {error.smtp_code}") from None
        except smtplib.SMTPServerDisconnected:
            why = f"the connection ended, or nothing was said for {self._settings.timeout:g} s"
            raise NotTold(why) from None
        except smtplib.SMTPException as error:
            raise NotTold(f"the mail was not taken: {type(error).__name__}") from None
        except OSError as error:
            raise NotTold(f"the server cannot be reached: {error.strerror or type(error).__name__}") from None
        finally:
            self._cut()

    def _send(self, made: EmailMessage) -> str:
        settings = self._settings
        if settings.tls == "tls":
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                settings.host, settings.port, timeout=settings.timeout, context=self._context
            )
        else:
            client = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout)
        self._open = client
        with client:
            if settings.tls == "starttls":
                client.starttls(context=self._context)
            if settings.user:
                client.login(settings.user, self._password)
            return _refused(client.send_message(made))

    def _cut(self) -> None:
        """End a conversation that nobody waits for any more: its thread then ends by itself."""
        client, self._open = self._open, None
        if client is not None and client.sock is not None:
            with suppress(OSError):
                client.sock.shutdown(2)


def _refused(recipients: Mapping[str, tuple[int, bytes]]) -> str:
    codes = ", ".join(f"{address} ({code})" for address, (code, _) in sorted(recipients.items()))
    return f"the server refuses {codes}" if codes else ""
