"""Turns the bytes of one connection into requests and refusals, in their order. No sockets; for `protocol` only.

llhttp (through httptools) does the grammar of RFC 9112, strictly; sizes are checked here, and `head` has the rules that
llhttp leaves to the server. After a refusal nothing more is read: where the next request would begin is not known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Final

import httptools
import msgspec

from supervisor.http.head import check_fields, has_body, read_target, too_large
from supervisor.http.message import Request
from supervisor.http.settings import HttpSettings

_VERSIONS: Final = frozenset({"1.0", "1.1"})


class Phase(Enum):
    """Where in a request the reader stands."""

    IDLE = "between requests"
    HEAD = "in the head"
    BODY = "in the body"


class Turn(msgspec.Struct):
    """What has to be answered next on the connection: a request, or a refusal.

    Attributes:
        request: the request; None for a refusal.
        keep: whether the client lets the connection live on after the answer (RFC 9112 9.3).
        old: whether the client speaks HTTP/1.0.
        status, detail: of a refusal.
    """

    request: Request | None = None
    keep: bool = False
    old: bool = False
    status: int = 0
    detail: str = ""


class Reader:
    """Reads one connection.

    Attributes:
        turns: what waits for its answer.
        phase: where the reader stands.
        ended: nothing more is read; what comes is dropped.
        wants_continue: the client waits for "100 Continue" before it sends the body (RFC 9110 10.1.1).
    """

    def __init__(self, peer: str, settings: Callable[[], HttpSettings], *, secure: bool) -> None:
        self.turns: deque[Turn] = deque()
        self.phase = Phase.IDLE
        self.ended = False
        self.wants_continue = False
        self._peer = peer
        self._secure = secure
        self._settings = settings
        self._limits = settings()
        self._parser = httptools.HttpRequestParser(self)
        self._fed = 0
        self._start()

    def feed(self, data: bytes) -> None:
        """Take what has arrived."""
        if self.ended:
            return
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # An Upgrade may be ignored (RFC 9110 7.8), but the parser stops here; CONNECT comes here too.
            if self.phase is Phase.IDLE:
                self.end()
            else:
                self.refuse(400, "the request asks for another protocol")
        except httptools.HttpParserCallbackError:
            raise  # a fault of this file
        except httptools.HttpParserError:
            self.refuse(400, "the request is not valid HTTP/1.1 (RFC 9112)")
        else:
            self._check_fed()

    def refuse(self, status: int, detail: str) -> None:
        """Answer this after all that came before, and read no more; nothing is done when that was said before."""
        if not self.ended:
            self.turns.append(Turn(status=status, detail=detail, old=self._old))
            self.end()

    def end(self) -> None:
        """Read no more."""
        self.ended, self.wants_continue, self.phase = True, False, Phase.IDLE

    def _check_fed(self) -> None:
        """Bounds what the parser itself keeps: unfinished fields, empty lines, chunk headers and trailers."""
        limits = self._limits
        if self.phase is Phase.BODY:
            if self._fed > 2 * limits.max_body + limits.max_head:
                self._too_large()
        elif self._fed > limits.max_head + limits.max_target:
            self.refuse(431, f"the header fields are longer than {limits.max_head} bytes together")

    def _too_large(self) -> None:
        self.refuse(*too_large(self._limits.max_body))

    def _start(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._head = 0
        self._body: bytes | bytearray = b""
        self._method = self._path = self._query = ""
        self._keep = self._old = False

    # httptools calls these.

    def on_message_begin(self) -> None:
        """A request begins."""
        if self.ended:
            return
        if len(self.turns) >= self._limits.ahead:
            self.end()
            return
        self._limits = self._settings()
        self._fed = 0
        self.phase = Phase.HEAD

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        if self.ended:
            return
        self._target += url
        if len(self._target) > self._limits.max_target:
            self.refuse(414, f"the request's target is longer than {self._limits.max_target} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head; fields after a chunked body are dropped (RFC 9112 7.1.2)."""
        if self.ended or self.phase is Phase.BODY:
            return
        self._head += len(name) + len(value) + 4
        if self._head > self._limits.max_head:
            self.refuse(431, f"the header fields are longer than {self._limits.max_head} bytes together")
            return
        field, text = _field(name), value.decode("latin-1").strip(" \t")
        known = self._headers.get(field)
        self._headers[field] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self.ended:
            return
        self.phase = Phase.BODY
        version = self._parser.get_http_version()
        self._old = version == "1.0"
        self._keep = self._parser.should_keep_alive()
        self._method = self._parser.get_method().decode("ascii")
        if version not in _VERSIONS:
            self.refuse(505, "the server speaks HTTP/1.1 and HTTP/1.0")
            return
        target = read_target(self._target, self._method)
        if target is None:
            self.refuse(400, "the request's target is not a path or a URL (RFC 9112 3.2)")
            return
        self._path, self._query = target
        refusal = check_fields(self._headers, self._limits.max_body, old=self._old)
        if refusal is not None:
            self.refuse(*refusal)
        elif "expect" in self._headers and not self._old:
            self.wants_continue = has_body(self._headers)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self.ended:
            return
        if len(self._body) + len(body) > self._limits.max_body:
            self._too_large()
        elif not self._body:
            self._body = body
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self.ended:
            return
        request = Request(
            self._method,
            self._path,
            self._query,
            self._headers,
            bytes(self._body),
            self._peer,
            self._secure,
        )
        self.turns.append(Turn(request, self._keep, self._old))
        self.phase, self.wants_continue, self._fed = Phase.IDLE, False, 0
        if not self._keep:
            self.end()
        self._start()


@lru_cache(maxsize=256)
def _field(name: bytes) -> str:
    return name.decode("latin-1").lower()
