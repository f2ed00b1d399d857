"""A reload is taken whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from stages.challenges.validators import Validators
from stages.errors import Refused
from supervisor.build import Domain
from supervisor.config import Problem, load
from supervisor.reload import Reloader


class Part:
    """Something that follows the settings, or refuses to."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.taken = 0

    def prepare(self, _: object) -> Callable[[], None]:
        """As validators and the front door's certificate do it."""
        if self.refuses:
            raise Refused("config", "acme.tls_certificate", "no")
        return self._take

    def _take(self) -> None:
        self.taken += 1


class Level:
    """The logs."""

    def set_level(self, level: str) -> None:
        """Take a level."""

    def set_form(self, form: str) -> None:
        """Take a form."""


@pytest.mark.parametrize(
    ("first", "second", "validators", "taken"),
    [
        (False, False, False, 1),
        (True, False, False, 0),
        (False, True, False, 0),
        (False, False, True, 0),
    ],
)
def test_reload_puts_all_in_place_or_nothing(
    tmp_path: Path,
    first: bool,  # noqa: FBT001  a row of the table
    second: bool,  # noqa: FBT001  as above
    validators: bool,  # noqa: FBT001  as above
    taken: int,
) -> None:
    """Whoever refuses, the settings and every other part stay as they were."""
    file = tmp_path / "config.toml"
    file.write_text('data_dir = "data"\n')
    domain = Domain(load(file, {}))
    reloader = Reloader(file, {}, domain, cast("Any", Level()))
    parts = [Part(refuses=first), Part(refuses=second)]
    reloader.followers += [part.prepare for part in parts]
    tester = Part(refuses=validators)
    reloader.follow(cast("Validators", tester), ())
    refused = Problem("acme.tls_certificate", "", "no")
    assert reloader.reload().problems == ([] if taken else [refused])
    assert [part.taken for part in (*parts, tester)] == [taken] * 3
    assert (reloader.domain is domain) is not bool(taken)
