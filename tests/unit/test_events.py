"""The table of log events says what the code does."""

from __future__ import annotations

import ast
from pathlib import Path

from supervisor.logs.events import EVENTS, page

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


def trees() -> list[ast.AST]:
    """Every module of the program but the table itself."""
    files = [file for package in ("supervisor", "stages") for file in sorted((ROOT / package).rglob("*.py"))]
    return [ast.parse(file.read_text()) for file in files if file.name != "log_events.py"]


def logged() -> dict[str, set[str]]:
    """Event literals of calls such as `log.info("x.y")`, with the methods that log them."""
    found: dict[str, set[str]] = {}
    for tree in trees():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            owner = ast.unparse(node.func.value)
            first = node.args[1] if node.func.attr == "log" and len(node.args) > 1 else node.args[0]
            if (
                owner.split("(")[0].split(".")[-1] in {"log", "_log", "logger", "bind"}
                or owner.endswith((".log", "._log", "get_logger()"))
            ) and (node.func.attr in LEVELS | {"log"} and isinstance(first, ast.Constant)):
                found.setdefault(str(first.value), set()).add(node.func.attr)
    return found


def test_every_logged_event_is_in_the_table() -> None:
    """An event that is logged is an interface, so it is documented."""
    assert set() == set(logged()) - set(EVENTS)


def test_every_event_of_the_table_is_logged() -> None:
    """The table promises nothing that never comes."""
    literals = {
        node.value
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set() == set(EVENTS) - literals


def test_events_are_logged_at_the_level_of_the_table() -> None:
    """An alert on a level hears what the table promises."""
    wrong = {
        name: methods
        for name, methods in logged().items()
        if name in EVENTS
        and not methods <= {EVENTS[name].level, "log"} | ({"exception"} if EVENTS[name].level == "error" else set())
    }
    assert wrong == {}


def test_events_page_is_up_to_date() -> None:
    """Run `python -m supervisor.logs.events` when this fails."""
    assert page() == (ROOT / "docs/events.md").read_text()
