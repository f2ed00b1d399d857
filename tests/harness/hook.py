"""A receiver of webhooks on 127.0.0.1: keeps what came, and answers as a test says."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

from tests.harness.receiver import Receiver, listening


class Post(NamedTuple):
    """One request: its line, its header fields by lower-case name, its body."""

    line: str
    fields: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


class Hook(Receiver[Post]):
    """What came so far.

    Attributes:
        answers: the status lines for the next requests, in order, such as "500 no"; then "204 taken". With a newline
            further header lines follow. "silence" answers nothing, "hang up" ends the connection.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[str] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").removesuffix("\r\n\r\n")
        line, *rest = head.split("\r\n")
        fields = {name.lower(): value for name, _, value in (field.partition(": ") for field in rest)}
        body = await reader.readexactly(int(fields["content-length"]))
        answer = self.answers.pop(0) if self.answers else "204 taken"
        self.take(Post(line, fields, body))
        if answer == "silence":
            await reader.read()
        elif answer != "hang up":
            more = answer.replace("\n", "\r\n")
            writer.write(f"HTTP/1.1 {more}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()


def hook(tls: ssl.SSLContext | None = None) -> AbstractAsyncContextManager[Hook]:
    """A receiver that runs for a while."""
    return listening(Hook(), tls)
