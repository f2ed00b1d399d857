"""One HTTP/1.1 response as it arrives, within bounds (RFC 9112). No I/O; for `http01` alone."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import httptools

MOST_HEAD: Final = 16 * 1024
"""Bytes before the body, interim responses (1xx) counted in."""

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class BadReply(ValueError):  # noqa: N818  an answer about what came
    """A response that is broken or out of bounds; its text holds none of its bytes."""


class ReplyReader:
    """Reads one response; `done` before the body unless the status is 200.

    Attributes:
        status: the final status, 0 before it is known.
        locations: the values of its Location headers.
        body: what has come of its body, without transfer coding.
        done: whether all that matters has been read.
        received: bytes taken so far.

    Args:
        body_cap: most bytes of a body.
    """

    def __init__(self, body_cap: int) -> None:
        self.status = 0
        self.locations: list[bytes] = []
        self.body = bytearray()
        self.done = False
        self._body_cap = body_cap
        self.received = 0
        self._framed = False
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            BadReply: they are no HTTP, or the head or the body is too long.
        """
        self.received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.status, self.done = self.status or 101, True
        except httptools.HttpParserError as error:
            if not self.done:  # after the end of the response nothing counts
                raise BadReply("what came is not an HTTP response") from error
        if len(self.body) > self._body_cap:
            raise BadReply(f"its body is longer than {self._body_cap} bytes")
        if self.done:
            return
        if not self.status and self.received > MOST_HEAD:
            raise BadReply(f"its header section is longer than {MOST_HEAD} bytes")
        if self.received > MOST_HEAD + 8 * self._body_cap:
            raise BadReply("its transfer coding takes more room than its body")

    def end(self) -> None:
        """Take the end of the stream, which ends a body that has no length of its own.

        Raises:
            BadReply: it came in the middle.
        """
        if not self.status:
            raise BadReply("the connection was closed before a response" if not self.received else "it is cut short")
        if self._framed:
            raise BadReply("the connection was closed in the middle of its body")
        self.done = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by httptools."""
        if self.done:
            return
        lower = name.lower()
        if lower == b"location":
            self.locations.append(value)
        elif lower in {b"content-length", b"transfer-encoding"}:
            self._framed = True

    def on_headers_complete(self) -> None:
        """Called by httptools."""
        if self.done:
            return
        status = self._parser.get_status_code()
        if status < HTTPStatus.OK:  # interim responses (RFC 9110 15.2)
            self.locations.clear()
            self._framed = False
            return
        self.status = status
        self.done = status != HTTPStatus.OK

    def on_body(self, data: bytes) -> None:
        """Called by httptools."""
        if not self.done:
            self.body += data

    def on_message_complete(self) -> None:
        """Called by httptools."""
        self.done = self.status != 0
