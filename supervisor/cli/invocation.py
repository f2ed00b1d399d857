"""One call of the program: what was given, and what every command starts from. For `supervisor.cli`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:  # loaded when a command needs it: `--help` does not
    from supervisor.config import Settings

VARIABLE: Final = "CA_SUPERVISOR_CONFIG"
"""The environment variable that names the config file."""
PLACES: Final = (Path("config.toml"), Path("/etc/ca-supervisor/config.toml"))
"""Where the config file is looked for when nobody names it."""

F = TypeVar("F", bound=Callable[..., Any])


class Invocation:
    """What a command works with. `clock` gives unix time in seconds.

    Attributes:
        json: whether one JSON document is asked for.
        config: the file of --config, None when not given.
    """

    def __init__(
        self, environ: Mapping[str, str], clock: Callable[[], float], random_bytes: Callable[[int], bytes]
    ) -> None:
        self.environ = environ
        self.clock = clock
        self.random_bytes = random_bytes
        self.json = False
        self.config: Path | None = None

    @property
    def now(self) -> int:
        """Unix time in whole seconds."""
        return int(self.clock())

    def named_config(self) -> Path | None:
        """The config file that --config or the environment names."""
        named = self.environ.get(VARIABLE)
        return self.config or (Path(named) if named else None)

    def config_file(self) -> Path:
        """The config file.

        Raises:
            ConfigError: nobody names one, and there is none in the usual places.
        """
        found = self.named_config() or next((place for place in PLACES if place.is_file()), None)
        if found is None:
            from supervisor.config import ConfigError, Problem  # noqa: PLC0415  see above

            places = " and ".join(str(place) for place in PLACES)
            reason = f"there is none ({places} were looked for); `ca-supervisor init` makes one, --config names one"
            raise ConfigError([Problem("", "", reason)], PLACES[0].absolute())
        return found

    def settings(self) -> Settings:
        """The settings of the config file and the environment. Raises ConfigError."""
        from supervisor.config import load  # noqa: PLC0415  see above

        return load(self.config_file(), self.environ)


def _take_config(ctx: click.Context, _option: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.ensure_object(Invocation).config = value


def _take_json(ctx: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001  click's signature
    if value:
        ctx.ensure_object(Invocation).json = True


def shared(function: F) -> F:
    """Add the options that every command has; they also stand before the command's name."""
    function = click.option(
        "--json", is_flag=True, expose_value=False, callback=_take_json, help="Print one JSON document."
    )(function)
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_take_config,
        help=f"The config file. Default: ${VARIABLE}, ./config.toml, {PLACES[1]}.",
    )(function)
