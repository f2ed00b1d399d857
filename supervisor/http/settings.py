"""What the web server is set to. It is asked for at each use, so a reload counts from the next use on. Pure."""

from __future__ import annotations

import msgspec


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes are bytes, times are seconds.

    Attributes:
        max_target: of a request's target (RFC 9110 15.5.15); a longer one is answered 414.
        max_head: of all its header fields together (RFC 6585 5); 431.
        max_body: of its body, declared or counted (RFC 9110 15.5.14); 413.
        connections: open at once; some more are answered 503, others are closed.
        ahead: requests that a client may send before it has the answer to its first one (RFC 9112 9.3.2); with one
            more the connection ends after their answers.
        handshake_timeout: for the TLS handshake.
        header_timeout: from the first byte of a request (on a new connection: from its start) to the end of its head.
        body_timeout: from there to the end of its body.
        idle_timeout: between two requests.
        write_timeout: in which a client must take something of an answer that waits for it.
        grace: for requests in work when the server stops.
    """

    max_target: int = 4096
    max_head: int = 16 << 10
    max_body: int = 64 << 10
    connections: int = 1024
    ahead: int = 32
    handshake_timeout: float = 10.0
    header_timeout: float = 10.0
    body_timeout: float = 20.0
    idle_timeout: float = 75.0
    write_timeout: float = 20.0
    grace: float = 10.0
