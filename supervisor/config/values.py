"""How durations, sizes, paths, addresses and URLs are written in config.toml. For `supervisor.config` only.

Each type below is an `Annotated` for the settings models: text goes in, a number, path or string comes out;
a wrong value raises `ValueError` with one sentence. `Kind` is how the printer finds the way back to the text.
"""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, StrictBool, StrictInt, StrictStr

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86400

_MILLISECONDS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_PORT_MAX: Final = 65_535
HIDDEN: Final = "[hidden]"


class Kind(StrEnum):
    """What a setting's number or path stands for, beyond its Python type."""

    DURATION = "duration"
    SIZE = "size"
    PATH = "path"
    DATA_PATH = "path below data_dir"
    URL = "url"


def parse_duration(text: object) -> float:
    """Seconds of a text such as "500ms", "30s", "5m", "12h" or "90d"; a number without a unit is refused."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise ValueError(f'must be a duration with a unit, such as "{text}s"')  # noqa: TRY004  pydantic reads this one
    found = re.fullmatch(r"([0-9]{1,9})(ms|s|m|h|d)", text) if isinstance(text, str) else None
    if found is None:
        raise ValueError('must be a duration such as "500ms", "30s", "5m", "12h" or "90d"')
    return int(found[1]) * _MILLISECONDS[found[2]] / 1000


def parse_span(text: object) -> int:
    """As `parse_duration`, for times that are compared with unix seconds: parts of a second are refused."""
    seconds = parse_duration(text)
    if seconds != int(seconds):
        raise ValueError("must be a whole number of seconds")
    return int(seconds)


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads back as `seconds`."""
    milliseconds = round(seconds * 1000)
    if milliseconds == 0:
        return "0s"
    unit = next(unit for unit in reversed(_MILLISECONDS) if milliseconds % _MILLISECONDS[unit] == 0)
    return f"{milliseconds // _MILLISECONDS[unit]}{unit}"


def parse_size(text: object) -> int:
    """Bytes of a text such as "512B", "20KiB" or "1MiB"."""
    found = re.fullmatch(r"([0-9]{1,9})(B|KiB|MiB|GiB)", text) if isinstance(text, str) else None
    if found is None:
        raise ValueError('must be a size such as "512B", "20KiB" or "1MiB"')
    return int(found[1]) * _BYTES[found[2]]


def format_size(size: int) -> str:
    """The shortest text that `parse_size` reads back as `size`."""
    unit = next(unit for unit in reversed(_BYTES) if size % _BYTES[unit] == 0 and (size or unit == "B"))
    return f"{size // _BYTES[unit]}{unit}"


def parse_path(text: object) -> Path:
    """A path; it is made absolute later, when it is known what it is relative to."""
    if not isinstance(text, str) or not text:
        raise ValueError("must be the path of a file or directory")
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    return Path(text).expanduser()


def parse_optional_path(text: object) -> Path | None:
    """A path, or None for the empty text."""
    return None if text == "" else parse_path(text)


def parse_logs_to(text: object) -> str | Path:
    """One of the words auto, stdout and journald, or a path."""
    if isinstance(text, str) and text in {"auto", "stdout", "journald"}:
        return text
    try:
        return parse_path(text)
    except ValueError:
        raise ValueError('must be "auto", "stdout", "journald" or the path of a file') from None


def check_network(text: str) -> str:
    """The canonical form of a CIDR or a single address."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        wanted = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError('must be an address or a CIDR such as "10.0.0.0/8" or "fd00::/8"') from None
    raise ValueError(f'has host bits set; write "{wanted}"')


def check_reach(text: str) -> str:
    """One of the words private, loopback and public, or what `check_network` takes."""
    if text in {"private", "loopback", "public"}:
        return text
    try:
        return check_network(text)
    except ValueError as error:
        raise ValueError(f"{error}, or one of private, loopback, public") from None


def check_domain(text: str) -> str:
    """A DNS name in lower case (RFC 5890 A-labels), taken together with everything below it."""
    labels = text.lower().removeprefix(".").split(".")
    if not all(re.fullmatch(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", label) for label in labels):
        raise ValueError('must be a DNS name such as "example.org" (no wildcard: names below it are included)')
    return ".".join(labels)


def check_resolver(text: str) -> str:
    """The word "system", or name servers as "address" or "address:port", separated by commas."""
    if text == "system":
        return text
    for server in text.split(","):
        found = re.fullmatch(r"\[([0-9a-fA-F:.]+)\](?::([0-9]{1,5}))?|([0-9.]+)(?::([0-9]{1,5}))?", server.strip())
        bare = server.strip() if found is None else found[1] or found[3]
        port = "53" if found is None else found[2] or found[4] or "53"
        try:
            ipaddress.ip_address(bare)
        except ValueError:
            raise ValueError('must be "system" or name servers such as "10.0.0.53,[fd00::53]:5353"') from None
        if not 0 < int(port) <= _PORT_MAX:
            raise ValueError("must have a port from 1 to 65535")
    return text


def check_store_url(text: str) -> str:
    """The word "embedded", or a redis://, rediss:// or unix:// URL."""
    if text == "embedded":
        return text
    try:
        parts = urlsplit(text)
        port_is_valid = parts.port != 0
    except ValueError:
        port_is_valid = False
    if not port_is_valid or parts.scheme not in {"redis", "rediss", "unix"}:
        raise ValueError('must be "embedded" or a redis://, rediss:// or unix:// URL')
    if parts.scheme == "unix" and not parts.path.startswith("/"):
        raise ValueError("must name an absolute socket path, as in unix:///run/valkey.sock")
    if parts.scheme != "unix" and not parts.hostname:
        raise ValueError("must name a host, as in redis://localhost:6379/0")
    return text


def check_web_url(text: str) -> str:
    """Empty, or an absolute http:// URL without blanks (RFC 5280 4.2.1.13 and 4.2.2.1)."""
    if text and (re.fullmatch(r"[!-~]+", text) is None or not re.match(r"https?://[^/]", text)):
        raise ValueError("must be empty or an absolute http:// or https:// URL")
    return text


def check_prefix(text: str) -> str:
    """The start of every key: printable ASCII without blanks; braces, if any, enclose a hash tag."""
    if re.fullmatch(r"[!-~]{0,64}", text) is None:
        raise ValueError("must be at most 64 printable ASCII characters without blanks")
    if ("{" in text or "}" in text) and re.search(r"\{[^{}]+\}", text) is None:
        raise ValueError('must enclose a hash tag when it has braces, as in "{ca}:"')
    return text


def hide_password(url: str) -> str:
    """The URL with an inline password replaced by "[hidden]"."""
    url = re.sub(r"(://[^/?#]*?:)[^/?#]*@", rf"\g<1>{HIDDEN}@", url)
    return re.sub(r"([?&]password=)[^&#]*", rf"\g<1>{HIDDEN}", url, flags=re.IGNORECASE)


Bool = StrictBool
Int = StrictInt
Str = StrictStr
Duration = Annotated[float, BeforeValidator(parse_duration), Kind.DURATION]
"""Seconds, parts of a second allowed."""
Span = Annotated[int, BeforeValidator(parse_span), Kind.DURATION]
"""Whole seconds, for what is compared with unix time."""
Size = Annotated[int, BeforeValidator(parse_size), Kind.SIZE]
"""Bytes."""
ConfigPath = Annotated[Path, BeforeValidator(parse_path), Kind.PATH]
OptionalPath = Annotated[Path | None, BeforeValidator(parse_optional_path), Kind.PATH]
LogsTo = Annotated[Literal["auto", "stdout", "journald"] | Path, BeforeValidator(parse_logs_to), Kind.PATH]
DataPath = Annotated[Path, BeforeValidator(parse_path), Kind.DATA_PATH]
Network = Annotated[StrictStr, AfterValidator(check_network)]
Reach = Annotated[StrictStr, AfterValidator(check_reach)]
Domain = Annotated[StrictStr, AfterValidator(check_domain)]
Resolver = Annotated[StrictStr, AfterValidator(check_resolver)]
StoreUrl = Annotated[StrictStr, AfterValidator(check_store_url), Kind.URL]
WebUrl = Annotated[StrictStr, AfterValidator(check_web_url)]
Prefix = Annotated[StrictStr, AfterValidator(check_prefix)]
