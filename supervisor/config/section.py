"""What every section of the settings is made of: a frozen base model and `setting`, which declares a key."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A table of config.toml: frozen, and it refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def setting(
    default: object,
    sentence: str,
    *,
    unit: str = "",
    restart: bool = False,
    follows: str = "",
    low: float | None = None,
    high: float | None = None,
    filled: bool = False,
) -> Any:
    """Declare a setting.

    Args:
        default: its value when config.toml does not mention it.
        sentence: what it does, as docs/configuration.md and config.toml say it.
        unit: what a plain number counts; durations and sizes carry their unit in the value.
        restart: a change is taken only by a restart, not by a reload.
        follows: a setting that needs a restart; a change that comes together with one of it waits for that restart too.
        low: the least value, included.
        high: the greatest value, included.
        filled: a list that must not be empty.
    """
    shortest = 1 if filled else None
    return Field(
        default,
        description=sentence,
        json_schema_extra={"unit": unit, "restart": restart, "follows": follows},
        ge=low,
        le=high,
        min_length=shortest,
    )
