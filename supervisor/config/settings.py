"""All settings in one frozen object, and a walk over every key. No I/O; made by `supervisor.config.load`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import Field, field_validator
from pydantic.fields import FieldInfo

from supervisor.config import authority, notices, program
from supervisor.config.acme import Acme, Caa
from supervisor.config.section import Section, setting
from supervisor.config.values import ConfigPath, Kind, Str, parse_path

ProfileName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class Settings(Section):
    """Everything that config.toml says. Paths are absolute once `load` has returned it."""

    data_dir: ConfigPath = setting(
        parse_path("./data"),
        "The directory of the store, the CA and the lock; relative to the config file.",
        restart=True,
    )
    default_profile: Str = setting("default", "The profile of a request that names none.")
    store: program.Store = program.Store()
    queues: program.Queues = program.Queues()
    recovery: program.Recovery = program.Recovery()
    sessions: program.Sessions = program.Sessions()
    challenges: authority.Challenges = authority.Challenges()
    validation: authority.Validation = authority.Validation()
    names: authority.Names = authority.Names()
    keys: authority.Keys = authority.Keys()
    ca: authority.Ca = authority.Ca()
    crl: authority.Crl = authority.Crl()
    profiles: Mapping[ProfileName, authority.Profile] = Field(default={"default": authority.Profile()}, min_length=1)
    caa: Caa = Caa()
    acme: Acme = Acme()
    done: program.Done = program.Done()
    shutdown: program.Shutdown = program.Shutdown()
    logs: program.Logs = program.Logs()
    admin: program.Admin = program.Admin()
    warnings: notices.Warnings = notices.Warnings()

    @field_validator("profiles", mode="before")
    @classmethod
    def _keep_default_profile(cls, profiles: object) -> object:
        """The profile "default" is always there; a table of that name changes it."""
        return {"default": {}, **profiles} if isinstance(profiles, dict) else profiles


class Entry(NamedTuple):
    """One setting: its dotted key, its declaration and its present value."""

    key: str
    field: FieldInfo
    value: Any

    @property
    def kind(self) -> Kind | None:
        """What its number or path stands for."""
        return kind_of(self.field)

    @property
    def unit(self) -> str:
        """What a plain number counts; "" for durations and sizes, whose values carry it."""
        return str(_extra(self.field).get("unit", ""))

    @property
    def restart(self) -> bool:
        """Whether a change is taken only by a restart."""
        return bool(_extra(self.field).get("restart", False))

    @property
    def follows(self) -> str:
        """The setting whose restart a change of this one waits for, when both have changed; "" for none."""
        return str(_extra(self.field).get("follows", ""))


def entries(section: Section, above: str = "") -> Iterator[Entry]:
    """Every setting of `section` with its value, in the order of config.toml: keys first, then tables."""
    tables: list[tuple[str, Section]] = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            tables.append((name, value))
        elif isinstance(value, Mapping):
            tables.extend((f"{name}.{key}", inner) for key, inner in value.items())
        else:
            yield Entry(f"{above}{name}", field, value)
    for name, table in tables:
        yield from entries(table, f"{above}{name}.")


def kind_of(field: FieldInfo) -> Kind | None:
    """The `Kind` in a field's annotation; of a list, the kind of its items."""
    found = next((mark for mark in field.metadata if isinstance(mark, Kind)), None)
    if found is None:
        inner = getattr(field.annotation, "__args__", ())
        marks = (mark for arg in inner for mark in getattr(arg, "__metadata__", ()))
        found = next((mark for mark in marks if isinstance(mark, Kind)), None)
    return found


def _extra(field: FieldInfo) -> dict[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
