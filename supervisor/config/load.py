"""Reads config.toml and the environment into `Settings`, and reports everything that is wrong at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from supervisor.config.checks import clashes
from supervisor.config.problems import (
    ConfigError,
    Problem,
    dotted,
    field_at,
    from_pydantic,
    shown,
    table_at,
    unknown,
)
from supervisor.config.section import Section
from supervisor.config.settings import Settings, kind_of
from supervisor.config.values import Kind, hide_password

ENVIRONMENT = "CA_SUPERVISOR__"
"""What the name of an overriding variable begins with; "__" stands for the dots of the key."""

_Where = tuple[str | int, ...]
_S = TypeVar("_S", bound=Section)


def load(path: Path, environ: Mapping[str, str], text: str | None = None) -> Settings:
    """The settings of the file at `path`, overridden by `environ`; relative paths are made absolute.

    Args:
        path: the TOML file.
        environ: variables such as CA_SUPERVISOR__QUEUES__ISSUE__CONCURRENCY=8; a TOML value, or plain text.
        text: what the file is taken to say, where it is not to be read.

    Raises:
        ConfigError: the file cannot be read, or something in it or in the environment is wrong.
    """
    path = path.absolute()
    raw = _read(path) if text is None else _parse(path, text)
    origin, problems = _override(raw, environ)
    settings, wrong = _validate(raw)
    problems += [_with_origin(where, problem, origin) for where, problem in wrong]
    if settings is None:
        settings = _validate(_without(raw, [where for where, _ in wrong]))[0]
    broken = {dotted(part for part in where if isinstance(part, str)) for where, _ in wrong}
    for clash in clashes(settings) if settings else ():
        if not any(_touches(key, broken) for key in (clash.key, *clash.others)):
            where = tuple(clash.key.split("."))
            value = shown(where, _get(raw, where))
            problems.append(_with_origin(where, Problem(clash.key, value, clash.reason), origin))
    if problems or settings is None:
        raise ConfigError(problems, path)
    return _absolute(settings, path.parent)


def warnings(settings: Settings) -> list[Problem]:
    """What is allowed but unwise."""
    found = []
    url, acme = settings.store.url, settings.acme
    if hide_password(url) != url:
        reason = "has a password in it; put it into a file and name that in store.password_file"
        found.append(Problem("store.url", hide_password(url), reason))
    count = acme.limits.new_accounts.count
    if acme.on and acme.tls == "off" and count and not acme.trusted_proxies:
        reason = "counts all clients together: they have the proxy's address; name the proxy in acme.trusted_proxies"
        found.append(Problem("acme.limits.new_accounts.count", str(count), reason))
    return found


def _read(path: Path) -> dict[str, Any]:
    return _parse(path, read_text(path))


def read_text(path: Path) -> str:
    """The text of a config file. Raises ConfigError when it cannot be read."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise ConfigError([Problem("", "", f"cannot be read: {error.strerror}")], path) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem("", "", "cannot be read: it is not UTF-8 text")], path) from None


def data_dir(path: Path, environ: Mapping[str, str]) -> Path:
    """The data directory that the file and the environment name, whatever else is wrong with them.

    Raises ConfigError when the file cannot be read, is no TOML, or names no path.
    """
    path = path.absolute()
    raw = _read(path)
    _override(raw, environ)
    only = {"data_dir": raw["data_dir"]} if "data_dir" in raw else {}
    settings, wrong = _validate(only)
    if settings is None:
        raise ConfigError([problem for _, problem in wrong], path)
    return _absolute(settings, path.parent).data_dir


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = str(error).encode("ascii", "backslashreplace").decode()
        raise ConfigError([Problem("", "", f"is not TOML: {reason}")], path) from None


def _override(raw: dict[str, Any], environ: Mapping[str, str]) -> tuple[dict[_Where, str], list[Problem]]:
    """Put the environment's values into `raw`; return where each came from, and what fits nowhere."""
    origin: dict[_Where, str] = {}
    problems: list[Problem] = []
    for name in sorted(environ):
        if not name.startswith(ENVIRONMENT):
            continue
        where = tuple(name.removeprefix(ENVIRONMENT).lower().split("__"))
        reason = _names_no_setting(where)
        if reason:
            problems.append(Problem(name, shown(where, environ[name]), reason))
            continue
        if not _put(raw, where, _literal(environ[name])):
            problems.append(Problem(name, shown(where, environ[name]), "the file has a value where a table belongs"))
            continue
        origin[where] = name
    return origin, problems


def _names_no_setting(where: tuple[str, ...]) -> str:
    section, field = field_at(where)
    if table_at(where) or where == ("profiles",):
        return "names a table, not a setting"
    if section is None:
        return "names no setting"
    return "" if field else unknown(where)


def _literal(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if list(parsed) == ["value"] else text


def _put(raw: dict[str, Any], where: tuple[str, ...], value: object) -> bool:
    table = raw
    for part in where[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            return False
    table[where[-1]] = value
    return True


def _get(raw: Any, where: Iterable[str | int]) -> Any:
    for part in where:
        raw = raw.get(part) if isinstance(raw, dict) else None
    return raw


def _validate(raw: dict[str, Any]) -> tuple[Settings | None, list[tuple[_Where, Problem]]]:
    try:
        return Settings.model_validate(raw), []
    except ValidationError as error:
        return None, [from_pydantic(detail, raw) for detail in error.errors(include_url=False)]


def _without(raw: dict[str, Any], wheres: list[_Where]) -> dict[str, Any]:
    """A copy of `raw` without the wrong values, so that the checks across settings can still be made."""
    copy: dict[str, Any] = {k: _without(v, []) if isinstance(v, dict) else v for k, v in raw.items()}
    for where in wheres:
        table = copy
        for part in where:
            inner = table.get(part) if isinstance(part, str) else None
            if not isinstance(inner, dict) or part == where[-1]:
                table.pop(str(part), None)
                break
            table = inner
    return copy


def _touches(key: str, broken: set[str]) -> bool:
    return any(key == wrong or key.startswith(f"{wrong}.") for wrong in broken)


def _with_origin(where: _Where, problem: Problem, origin: dict[_Where, str]) -> Problem:
    variable = next((name for place, name in origin.items() if where[: len(place)] == place), None)
    return problem._replace(reason=f"{problem.reason} (set by {variable})") if variable else problem


def _absolute(settings: Settings, base: Path) -> Settings:
    data_dir = (base / settings.data_dir).resolve()
    return _resolve(settings, {Kind.PATH: base, Kind.DATA_PATH: data_dir}).model_copy(update={"data_dir": data_dir})


def _resolve(section: _S, bases: Mapping[Kind, Path]) -> _S:
    update: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value, base = getattr(section, name), bases.get(kind_of(field) or Kind.URL)
        if isinstance(value, Section):
            update[name] = _resolve(value, bases)
        elif base is not None and isinstance(value, Path):
            update[name] = base / value
        elif base is not None and isinstance(value, tuple):
            update[name] = tuple(base / item for item in value)
    return section.model_copy(update=update)
