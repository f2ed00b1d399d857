"""The fuzz program finds what it is there for."""

from __future__ import annotations

import random
from typing import Any

import pytest

from benchmarks.fuzzing import feeding
from benchmarks.fuzzing.corpus import requests
from benchmarks.fuzzing.mutation import encoded, parsed, spoil_der
from benchmarks.fuzzing.targets import Targets


def test_der_goes_both_ways() -> None:
    """A request that is taken apart is put together as it was, so that only what is spoiled is other."""
    for der in requests():
        tree = parsed(der)
        assert tree is not None
        assert encoded(tree) == der
        spoil_der(tree, random.Random(1))
        assert encoded(tree)


@pytest.mark.parametrize("subject", ["request", "csr"])
def test_feed_tells_of_a_fault(monkeypatch: pytest.MonkeyPatch, subject: str) -> None:
    """An exception that is no refusal is a failure with its input, and ends the run when there are a few."""

    def broken(_targets: Targets, _raw: bytes) -> Any:
        raise KeyError("planted")

    monkeypatch.setattr(Targets, subject, broken)
    fed = feeding.feed(200, 1, 1.0)
    assert len(fed.failures) == 5
    assert "KeyError: 'planted'" in fed.failures[0].told
    assert fed.failures[0].input


def test_feed_tells_of_a_slow_input() -> None:
    """An input that takes longer than the limit is a failure."""
    assert feeding.feed(1, 1, 0.0).failures[0].told.startswith("it took ")
