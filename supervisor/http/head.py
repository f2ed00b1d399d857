"""What the server asks of a request's head where llhttp leaves it open (RFC 9112 3.2, 6). Pure; for `reading` only."""

from __future__ import annotations

from typing import Final, TypeAlias

CHUNKED: Final = "chunked"

Refusal: TypeAlias = tuple[int, str]
"""The status of a refusal, and one sentence."""


def read_target(target: bytes, method: str) -> tuple[str, str] | None:
    """Path and query of the origin form or the absolute form (RFC 9112 3.2); None for what is neither."""
    if not target.isascii() or b"#" in target:
        return None
    text = target.decode("ascii")
    if not text.startswith("/"):
        scheme, separator, rest = text.partition("://")
        if text == "*" and method == "OPTIONS":
            return text, ""
        if not separator or scheme.lower() not in {"http", "https"}:
            return None
        authority, slash, rest = rest.partition("/")
        if "?" in authority:
            return None
        text = slash + rest or "/"
    path, _, query = text.partition("?")
    return path, query


def check_fields(headers: dict[str, str], max_body: int, *, old: bool) -> Refusal | None:
    """What is wrong with the fields that say how the request goes on, None for nothing.

    Args:
        headers: names in lower case, repeated fields joined by ", ".
        max_body: bytes that a declared body may have.
        old: whether the client speaks HTTP/1.0.
    """
    host = headers.get("host")
    if (host is None and not old) or (host is not None and "," in host):
        return 400, "Host: there must be one (RFC 9112 3.2)"
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if old:
            return 400, "Transfer-Encoding: HTTP/1.0 has none (RFC 9112 6.1)"
        if coding.lower() != CHUNKED:
            return 501, "Transfer-Encoding: only chunked is understood (RFC 9112 6.1)"
    elif int(headers.get("content-length", "0")) > max_body:
        return too_large(max_body)
    expectation = headers.get("expect")
    if expectation is not None and not old and expectation.lower() != "100-continue":
        return 417, "Expect: only 100-continue is understood (RFC 9110 10.1.1)"
    return None


def has_body(headers: dict[str, str]) -> bool:
    """Whether a body follows the head (RFC 9112 6)."""
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def too_large(max_body: int) -> Refusal:
    """The refusal of a body with more bytes than that, declared or counted (RFC 9110 15.5.14)."""
    return 413, f"the body is longer than {max_body} bytes"
