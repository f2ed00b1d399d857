"""Makes everything that a log line carries safe to print. Pure; for `supervisor.logs.setup` only.

A client chooses names, URLs, error texts and more. None of them may end a line, colour a terminal, turn text
around, fill a disk, or bring a secret with it.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any, Final

LONGEST: Final = 2048
"""Characters of one value that are kept."""
HIDDEN: Final = "[hidden]"

_ITEMS = 64
_DEPTH = 4
_FRAMES = 8
_SECRET_WORDS: Final = frozenset({"password", "passphrase", "private", "secret", "token", "key"})
PRIVATE: Final = "PRIVATE KEY"
"""What every PEM block with a private key has in its first line (RFC 7468 10, 11)."""
_BREAKS: Final = re.compile(r"[^ -~]")


@lru_cache(maxsize=1024)
def is_secret(key: str) -> bool:
    """Whether a key such as "token" or "eab_key" names something that is never printed."""
    return not _SECRET_WORDS.isdisjoint(key.lower().replace("-", "_").split("_"))


def safe_text(text: str) -> str:
    """One line of printable text: the rest is escaped, a long text is cut, a private key is hidden."""
    if PRIVATE in text:
        return HIDDEN
    if len(text) <= LONGEST and text.isprintable():
        return text
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}...[{len(text)} characters]"
    return _BREAKS.sub(_escape, str(text))


def safe_value(key: str, value: Any, depth: int = 0) -> Any:
    """The value of `key` in JSON's types: texts made safe, bytes only counted, lists and tables bounded."""
    if is_secret(key):
        return HIDDEN
    if isinstance(value, str):
        return safe_text(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < 1 << 63 else safe_text(str(int(value)))
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, BaseException):
        return one_line(value)
    if depth < _DEPTH and isinstance(value, Mapping):
        pairs = list(value.items())[:_ITEMS]
        return {safe_text(str(inner)): safe_value(str(inner), item, depth + 1) for inner, item in pairs}
    if depth < _DEPTH and isinstance(value, list | tuple | AbstractSet):
        return [safe_value("", item, depth + 1) for item in list(value)[:_ITEMS]]
    return safe_text(str(value))


def one_line(error: BaseException) -> str:
    """Type and message of an exception."""
    message = str(error)
    return safe_text(f"{type(error).__name__}: {message}" if message else type(error).__name__)


def safe_error(error: BaseException) -> dict[str, Any]:
    """An exception as `error` (one line), `trace` (innermost frame last), `causes` (a group's parts)."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    table: dict[str, Any] = {
        "error": one_line(error),
        "trace": [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames],
    }
    parts: list[BaseException] = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    causes = [one_line(part) for part in [*parts, *([cause] if cause else [])][:_FRAMES]]
    return {**table, "causes": causes} if causes else table


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    return char if char.isprintable() else char.encode("unicode_escape").decode()
