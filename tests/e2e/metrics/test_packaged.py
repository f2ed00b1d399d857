"""The packaged alerts, their tests and the example configuration, as Prometheus's own tool sees them."""

from __future__ import annotations

import pytest

from tests.harness.prometheus import RULES, promtool

FOLDER = RULES.parent


@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", "alerts.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids="-".join,
)
def test_promtool_has_no_complaint(command: tuple[str, ...]) -> None:
    """The rules are valid, fire when they must, and stay silent when all is well."""
    assert promtool(*command, cwd=FOLDER) == ""
