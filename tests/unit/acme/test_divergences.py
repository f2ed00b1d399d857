"""docs/acme-divergences.md says which test shows what the server does; the tests that it names are there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "acme-divergences.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rows() -> list[tuple[str, str]]:
    """The section and the tests of each row of the page's last table."""
    table = PAGE.read_text(encoding="utf-8").partition("\n## By section\n")[2]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    cells = [line.strip("|").split(" | ") for line in lines]
    assert [len(row) for row in cells] == [3] * len(cells)
    return [(row[0].strip(), row[2].strip()) for row in cells]


@cache
def found_in(path: str) -> frozenset[str]:
    """The test functions of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


@pytest.mark.parametrize(("section", "named"), rows())
def test_divergences_name_tests_that_exist(section: str, named: str) -> None:
    """Each row of the table names one test or more, and nothing else, and each of them is there."""
    found = TEST.findall(named)
    assert found, section
    assert TEST.sub("", named).replace(",", "").split() == []
    assert [(path, name) for path, name in found if name not in found_in(path)] == []


@pytest.mark.parametrize(
    "section",
    [
        *("6.1", "6.2", "6.3", "6.4", "6.5", "6.6", "6.7", "6.7.1"),
        *("7.1", "7.1.1", "7.1.2", "7.1.2.1", "7.1.3", "7.1.4", "7.1.6"),
        *("7.2", "7.3", "7.3.1", "7.3.2", "7.3.3", "7.3.4", "7.3.5", "7.3.6"),
        *("7.4", "7.4.1", "7.4.2", "7.5", "7.5.1", "7.5.2", "7.6"),
        *("8", "8.1", "8.3", "8.4"),
    ],
)
def test_divergences_go_through_every_section(section: str) -> None:
    """Each section of RFC 8555 that asks something of a server has a row."""
    assert f"RFC 8555 {section}" in {named for named, _ in rows()}
