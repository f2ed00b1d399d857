"""What the benchmarks print: verdicts, tables, and the page between its marks."""

from __future__ import annotations

import pytest

from benchmarks.figures import Figure, at_least, at_most, markdown, summary, told
from benchmarks.page import BEGIN, END, between_marks, has_marks


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [
        (at_least("rate", 50_000, 50_000, "/s"), "reached"),
        (at_least("rate", 49_999, 50_000, "/s"), "missed: 49,999/s of at least 50,000/s"),
        (at_least("ratio", 0.38, 0.5, "", places=2), "missed: 0.38 of at least 0.50"),
        (at_most("p50", 3, 3, " ms", places=1), "reached"),
        (at_most("p50", 3.1, 3, " ms", places=1), "missed: 3.1 ms of at most 3.0 ms"),
        (at_most("commands", 0, 0, ""), "reached"),
        (at_most("commands", 2, 0, ""), "missed: 2 of at most 0"),
        (told("p95", 5, " ms"), ""),
    ],
)
def test_verdict_says_by_what_a_target_was_missed(figure: Figure, verdict: str) -> None:
    """A target is reached when it is met exactly; a figure without one has no verdict."""
    assert verdict == figure.verdict


def test_summary_counts_targets_and_names_what_missed() -> None:
    """Figures without a target do not count."""
    figures = [at_least("rate", 9, 10, "/s"), at_most("p50", 1, 3, " ms"), told("p95", 2, " ms")]
    assert summary(figures) == "1 of 2 targets reached; missed: rate (9/s)"
    assert summary(figures[1:]) == "1 of 1 targets reached"


def test_markdown_has_a_row_for_each_figure() -> None:
    """The title, the head, and each figure with its floor, target and verdict."""
    figures = [at_least("rate", 9, 10, "/s", floor="bare 12/s"), told("p95", 2.5, " ms", places=1)]
    assert markdown("Speed", figures).splitlines() == [
        "### Speed",
        "",
        "| what | figure | measured against | target | verdict |",
        "|---|--:|---|---|---|",
        "| rate | 9/s | bare 12/s | at least 10/s | missed: 9/s of at least 10/s |",
        "| p95 | 2.5 ms |  |  |  |",
    ]


def test_between_marks_replaces_only_what_stands_there() -> None:
    """What is before and after the marks stays, and so do the marks: writing again replaces the first text."""
    page = f"above\n{BEGIN}\nold\n{END}\nbelow\n"
    once = between_marks(page, "new\n")
    assert once == f"above\n{BEGIN}\nnew\n{END}\nbelow\n"
    assert between_marks(once, "newer") == f"above\n{BEGIN}\nnewer\n{END}\nbelow\n"


@pytest.mark.parametrize(
    "page",
    ["", "text", BEGIN, END, f"{END}\n{BEGIN}", f"{BEGIN}{END}{END}"],
    ids=["empty", "none", "b", "e", "eb", "bee"],
)
def test_between_marks_refuses_a_page_without_both_marks(page: str) -> None:
    """Nothing is written where it is not clear what would be replaced."""
    assert not has_marks(page)
    with pytest.raises(ValueError, match="there is no line"):
        between_marks(page, "new")
