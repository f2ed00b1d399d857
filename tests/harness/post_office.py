"""A mail server on 127.0.0.1 (RFC 5321): keeps what came, speaks STARTTLS, asks for a login, refuses as a test says."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import AbstractAsyncContextManager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import NamedTuple

from tests.harness.receiver import Receiver, listening


class Delivered(NamedTuple):
    """One mail: its envelope, its text, and whether it came over TLS and after a login."""

    sender: str
    to: list[str]
    mail: EmailMessage
    encrypted: bool
    user: str


class PostOffice(Receiver[Delivered]):
    """What came so far.

    Attributes:
        login: "user:password" that is asked for, "" for none.
        refusals: answers to the next MAIL commands, in order, such as "451 later"; then they are taken.
        silent: whether it accepts connections and says nothing.
        unknown: addresses that have no box here.
        tried: how often MAIL came.
    """

    def __init__(self, tls: ssl.SSLContext | None, login: str) -> None:
        super().__init__()
        self.login = login
        self.refusals: list[str] = []
        self.unknown: set[str] = set()
        self.silent = False
        self.tried = 0
        self._tls = tls

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One conversation."""
        if self.silent:
            await reader.read()
        else:
            await _Conversation(self, reader, writer).run(self._tls)


class _Conversation:
    def __init__(self, office: PostOffice, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._office = office
        self._reader = reader
        self._writer = writer
        self._encrypted = writer.get_extra_info("ssl_object") is not None
        self._user = self._sender = ""
        self._to: list[str] = []

    async def run(self, tls: ssl.SSLContext | None) -> None:
        await self._say("220 post office")
        while line := (await self._reader.readline()).decode("ascii").rstrip("\r\n"):
            verb, _, rest = line.partition(" ")
            match verb.upper():
                case "EHLO":
                    await self._greet(tls)
                case "STARTTLS" if tls is not None:
                    await self._say("220 go on")
                    await self._writer.start_tls(tls)
                    self._encrypted = True
                case "AUTH":
                    await self._log_in(rest)
                case "MAIL":
                    await self._begin(rest)
                case "RCPT":
                    await self._address(rest)
                case "DATA":
                    await self._take()
                case "RSET":
                    await self._say("250 forgotten")
                case "QUIT":
                    await self._say("221 bye")
                    return
                case _:
                    await self._say("500 what?")

    async def _greet(self, tls: ssl.SSLContext | None) -> None:
        offered = ["post.example"]
        offered += ["STARTTLS"] if tls is not None and not self._encrypted else []
        offered += ["AUTH PLAIN"] if self._office.login else []
        for each in offered[:-1]:
            await self._say(f"250-{each}")
        await self._say(f"250 {offered[-1]}")

    async def _log_in(self, rest: str) -> None:
        _, user, password = base64.b64decode(rest.removeprefix("PLAIN ")).decode().split("\0")
        if f"{user}:{password}" != self._office.login:
            await self._say("535 no")
            return
        self._user = user
        await self._say("235 yes")

    async def _begin(self, rest: str) -> None:
        self._office.tried += 1
        if self._office.refusals:
            await self._say(self._office.refusals.pop(0))
        elif self._office.login and not self._user:
            await self._say("530 log in first")
        else:
            self._sender, self._to = _mailbox(rest), []
            await self._say("250 yes")

    async def _address(self, rest: str) -> None:
        if _mailbox(rest) in self._office.unknown:
            await self._say("550 nobody of this name")
            return
        self._to.append(_mailbox(rest))
        await self._say("250 yes")

    async def _take(self) -> None:
        await self._say("354 go on")
        text = (await self._reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
        mail = message_from_bytes(text, policy=policy.default)
        self._office.take(Delivered(self._sender, self._to, mail, self._encrypted, self._user))
        await self._say("250 taken")

    async def _say(self, line: str) -> None:
        self._writer.write(f"{line}\r\n".encode("ascii"))
        await self._writer.drain()


def _mailbox(rest: str) -> str:
    return rest[rest.index("<") + 1 : rest.index(">")]


def post_office(
    starttls: ssl.SSLContext | None = None, *, tls: ssl.SSLContext | None = None, login: str = ""
) -> AbstractAsyncContextManager[PostOffice]:
    """A mail server that runs for a while; `tls` for one that is encrypted from the start."""
    return listening(PostOffice(starttls, login), tls)
