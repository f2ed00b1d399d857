"""What is said about a wrong config.toml: one line for each wrong key. Pure; for `supervisor.config` only.

pydantic's errors become sentences here, values are shown so that they cannot do harm to a terminal, and
whatever may be a secret is not shown at all.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from supervisor.config.authority import Profile
from supervisor.config.settings import Settings, entries, kind_of
from supervisor.config.values import HIDDEN, Kind, format_duration, format_size, hide_password

_LONGEST_VALUE = 60
_SECRET = re.compile(r"passw|passphrase|secret|token|private|credential|hmac", re.IGNORECASE)


class Problem(NamedTuple):
    """One wrong thing: dotted key ("" for the whole file), the value as it may be shown, and why."""

    key: str
    value: str
    reason: str

    def __str__(self) -> str:
        shown = f" = {self.value}" if self.value else ""
        return f"{self.key}{shown}: {self.reason}" if self.key else self.reason


class ConfigError(Exception):
    """The settings cannot be used. `problems` has every reason, `file` the file that was read."""

    def __init__(self, problems: Iterable[Problem], file: Path) -> None:
        self.problems = list(problems)
        self.file = file
        super().__init__("\n".join([f"{file}:", *(f"  {problem}" for problem in self.problems)]))


def table_at(where: Iterable[str | int]) -> type[BaseModel] | None:
    """The section that stands at a place in the file; None where no table belongs."""
    section: type[BaseModel] | None = Settings
    profiles = False
    for part in where:
        if profiles:
            section, profiles = Profile, False
            continue
        field = section.model_fields.get(str(part)) if section else None
        profiles = section is Settings and part == "profiles"
        inner = field.annotation if field else None
        section = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
    return section


def field_at(where: tuple[str | int, ...]) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The section that a key belongs to (None: there is none) and the key's declaration, if any."""
    section = table_at(where[:-1])
    return section, section.model_fields.get(str(where[-1])) if section else None


def dotted(where: Iterable[str | int]) -> str:
    """The key as it is written in TOML, safe to print."""
    text = ""
    for part in where:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part[:_LONGEST_VALUE])
            text += f".{plain}" if text else plain
    return text


def shown(where: tuple[str | int, ...], value: object) -> str:
    """The value as it may be printed: one line of printable ASCII, cut, secrets hidden."""
    _, field = field_at(where)
    if field is None and (any(_SECRET.search(str(part)) for part in where) or isinstance(value, Mapping)):
        return HIDDEN if any(_SECRET.search(str(part)) for part in where) else "{...}"
    if isinstance(value, Mapping):
        return "{...}"
    if isinstance(value, str):
        if "PRIVATE KEY" in value:
            return HIDDEN
        value = hide_password(value)
    text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def from_pydantic(error: ErrorDetails, raw: Any) -> tuple[tuple[str | int, ...], Problem]:
    """The place and the `Problem` of one of pydantic's errors about `raw`; the value is shown as written."""
    where = tuple(part for part in error["loc"] if part != "[key]")
    value = raw if where == error["loc"] else error["input"]
    for part in where if where == error["loc"] else ():
        value = value[part]
    return where, Problem(dotted(where), shown(where, value), _reason(error, where))


def unknown(where: tuple[str | int, ...]) -> str:
    """Why an unknown key is refused, with the key that was probably meant."""
    section, _ = field_at(where)
    name, above = str(where[-1]), where[:-1]
    siblings = list(section.model_fields) if section else []
    close = difflib.get_close_matches(name.lower().replace("-", "_"), siblings, n=1)
    if close:
        return f"unknown key, did you mean {dotted((*above, close[0]))}?"
    everywhere = {entry.key: entry.key.rpartition(".")[2] for entry in entries(Settings())}
    same = [key for key, leaf in everywhere.items() if leaf == name]
    return f"unknown key, did you mean {same[0]}?" if same else "unknown key"


_SENTENCES = {
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "string_type": "must be text in quotes",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "mapping_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "string_pattern_mismatch": "must be a name of lower-case letters, digits, - and _",
    "too_short": "must not be empty",
}


def _reason(error: ErrorDetails, where: tuple[str | int, ...]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown(where)
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return _choice(str(context["expected"]), error["input"])
    if kind in {"greater_than_equal", "less_than_equal"}:
        _, field = field_at(where)
        word, limit = ("least", context["ge"]) if "ge" in context else ("most", context["le"])
        return f"must be at {word} {_limit(limit, field)}"
    return _SENTENCES.get(kind, error["msg"].lower())


def _choice(expected: str, value: object) -> str:
    choices = re.findall(r"'([^']*)'", expected)
    close = difflib.get_close_matches(value, choices, n=1) if isinstance(value, str) else []
    hint = f', did you mean "{close[0]}"?' if close else ""
    return f"must be one of {', '.join(choices)}{hint}"


def _limit(limit: Any, field: FieldInfo | None) -> str:
    kind = kind_of(field) if field else None
    if kind is Kind.DURATION:
        return format_duration(limit)
    return format_size(limit) if kind is Kind.SIZE else str(limit)
