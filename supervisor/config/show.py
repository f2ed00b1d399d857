"""Prints settings as TOML, and says what a reload changes. Pure; secrets are hidden."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

from supervisor.config.section import Section
from supervisor.config.settings import Entry, Settings, entries
from supervisor.config.values import Kind, format_duration, format_size, hide_password

_S = TypeVar("_S", bound=Section)


class Change(NamedTuple):
    """One setting that differs: its values as config.toml would have them, "" where its table is not there.

    A password in a value is hidden in both, so two values that differ may look alike.
    """

    key: str
    old: str
    new: str
    restart: bool


class Changes(NamedTuple):
    """Dotted keys that differ between two settings: those a reload takes, and those that need a restart."""

    now: tuple[str, ...]
    restart: tuple[str, ...]


def toml_value(value: Any, kind: Kind | None) -> str:
    """A setting's value as config.toml would have it."""
    if isinstance(value, tuple):
        return f"[{', '.join(toml_value(item, kind) for item in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if kind is Kind.DURATION:
        value = format_duration(value)
    elif kind is Kind.SIZE:
        value = format_size(value)
    elif kind is Kind.URL:
        value = hide_password(value)
    elif isinstance(value, int):
        return str(value)
    text = "" if value is None else str(value)
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def effective(settings: Settings) -> str:
    """All settings as they are in effect, as TOML, with secrets hidden."""
    lines = []
    for table, rows in by_table(settings):
        lines += [f"\n[{table}]"] if table else []
        lines += [f"{row.key.rpartition('.')[2]} = {toml_value(row.value, row.kind)}" for row in rows]
    return "\n".join(lines) + "\n"


def by_table(settings: Settings) -> Iterator[tuple[str, list[Entry]]]:
    """The settings by table, in the order of config.toml; the first table is "", the top of the file."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries(settings):
        groups.setdefault(entry.key.rpartition(".")[0], []).append(entry)
    yield from groups.items()


def changes(old: Settings, new: Settings) -> list[Change]:
    """Which settings differ, in the order of config.toml; a profile that came or went is taken now."""
    before, after = ({entry.key: entry for entry in entries(each)} for each in (old, new))
    keys = [
        key for key in before | after if key not in before or key not in after or before[key].value != after[key].value
    ]
    differ = {key: before.get(key) or after[key] for key in keys}
    return [
        Change(key, _shown(before.get(key)), _shown(after.get(key)), entry.restart or entry.follows in differ)
        for key, entry in differ.items()
    ]


def _shown(entry: Entry | None) -> str:
    return toml_value(entry.value, entry.kind) if entry else ""


def diff_for_reload(old: Settings, new: Settings) -> Changes:
    """The keys of `changes`."""
    found = changes(old, new)
    now = tuple(change.key for change in found if not change.restart)
    return Changes(now, tuple(change.key for change in found if change.restart))


def reloaded(old: Settings, new: Settings) -> Settings:
    """`new`, but with the old values where a change needs a restart: what is in effect after a reload."""
    return _keep(old, new, set(diff_for_reload(old, new).restart), "")


def _keep(old: _S, new: _S, kept: set[str], above: str) -> _S:
    update: dict[str, Any] = {}
    for name in type(new).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(after, Section):
            update[name] = _keep(before, after, kept, f"{above}{name}.")
        elif f"{above}{name}" in kept:
            update[name] = before
    return new.model_copy(update=update)
