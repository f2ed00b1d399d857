"""Reads the head of one HTTP request (RFC 9112) from what has arrived so far. For `supervisor.admin` only."""

from __future__ import annotations

import httptools

HEAD_LIMIT = 8192
"""Bytes of a request's head."""


class BadRequest(Exception):  # noqa: N818  an answer to the client
    """The request gets this answer instead of a page."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class Request:
    """One request, fed piece by piece until `complete`. A body is not read: no page asks for one."""

    def __init__(self) -> None:
        self.complete = False
        self.method = ""
        self.path = ""
        self._target = b""
        self._size = 0
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes) -> None:
        """Take what has arrived. Raises BadRequest."""
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # an Upgrade header may be ignored (RFC 9110 7.8)
        except httptools.HttpParserError:
            if not self.complete:
                raise BadRequest(400, "this is no HTTP request") from None
        if self._size > HEAD_LIMIT and not self.complete:
            raise BadRequest(431, f"the head of the request is longer than {HEAD_LIMIT} bytes")

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target; httptools calls it."""
        self._target += url

    def on_headers_complete(self) -> None:
        """The head is there; httptools calls it."""
        self.method = self._parser.get_method().decode("ascii", "replace")
        self.path = self._target.split(b"?", 1)[0].decode("ascii", "replace")
        self.complete = True
