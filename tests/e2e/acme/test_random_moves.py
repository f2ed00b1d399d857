"""Random legal and illegal moves of several accounts against the running program: nothing goes back."""

from __future__ import annotations

import os
from pathlib import Path

import anyio.from_thread
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.e2e.acme.acme_site import acme_site
from tests.e2e.acme.random_moves import Machine

EXAMPLES = int(os.environ.get("ACME_MOVES", "25"))
"""How many stories are played; with more than these few, a story that fails is also made shorter."""
STEPS = 50


@pytest.mark.timeout(120 + 10 * EXAMPLES)
def test_random_moves(tmp_path: Path) -> None:
    """Whatever several accounts do in whatever order: statuses go ahead only, and every answer is a proper one."""
    phases = (Phase.generate, Phase.shrink) if EXAMPLES > 25 else (Phase.generate,)
    with (
        anyio.from_thread.start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(acme_site(tmp_path)) as site,
        portal.call(site.start) as program,
    ):

        class Here(Machine):
            def __init__(self) -> None:
                super().__init__(site, portal)

        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=phases,
                suppress_health_check=list(HealthCheck),
            ),
        )
        portal.call(site.stop, program)
