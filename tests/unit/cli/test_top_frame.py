from rich.console import Console

from supervisor.cli.top_frame import frame, span, spark
from supervisor.cli.top_source import Look
from supervisor.overview.parts import (
    CrlNow,
    Overview,
    ProgramNow,
    QueueNow,
    Samples,
    SessionList,
    SessionRow,
    StoreNow,
    SupervisorNow,
    Tree,
    WarningNow,
)

NOW = 1_800_000_000.0
NAMES = ("makechallenge", "testchallenge", "issue", "done")


def row(number: int, detail: str = "") -> SessionRow:
    place = "rejected" if detail else "waiting"
    return SessionRow(
        f"{number:064x}", "issue", place, int(NOW) - 90, ("a.example", "b.example", "c.example"), 3, "", "", 0, 0, 0.0,
        "", "", 0, "dns" if detail else "", detail, "waits for the CSR", int(NOW) - 60,
    )  # fmt: skip


def look(rows: list[SessionRow], *warnings: WarningNow, available: bool = True, samples: int = 40) -> Look:
    zeros = [[0] * samples for _ in range(4)]
    store = StoreNow(NOW - 7, (SupervisorNow("A", True, 4),), 5, 6, 1, 2, 3, 0, 5, {"issue": 1}, 2, 1)  # noqa: FBT003
    overview = Overview(
        NOW,
        ProgramNow("0.1.0", 75.0, available, () if available else ("starting",), "A", 3),
        available,
        "" if available else "the store cannot be reached",
        store,
        tuple(QueueNow(name, 1, 2, 3, 32, 4, mean_ms=5.0) for name in NAMES),
        Samples(2.0, NOW, zeros, zeros, zeros, [2] * samples, [0] * samples, [0] * samples, [0] * samples, [1]),
        None,
        (),
        Tree("main", (), CrlNow("crl.pem", problem="there is none yet")),
        warnings,
    )
    return Look(overview, SessionList(NOW, "newest", rows, more=False, looked=5, active=5), "a test")


def drawn(seen: Look, rows: int, columns: int) -> list[str]:
    console = Console(width=columns, height=rows, color_system=None)
    with console.capture() as capture:
        console.print(frame(seen, rows, columns, "q quits"))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_frame_fits_the_screen() -> None:
    """Whatever its size, from the least that holds all parts: never a row or a column more, and the hint is there."""
    seen = look([row(n) for n in range(50)], WarningNow("disk_space", "warning", "", "the disk is full " * 20, 1))
    for rows, columns in ((18, 60), (24, 80), (50, 132), (200, 300)):
        lines = drawn(seen, rows, columns)
        assert len(lines) <= rows - 1
        assert max(map(len, lines)) <= columns
        assert lines[-1] == "q quits"


def test_frame_says_how_the_program_stands() -> None:
    """Ready, or why not; the queues; rates over a minute; what an outage leaves is told with its time."""
    lines = drawn(look([row(1)]), 40, 132)
    assert lines[0] == "ca-supervisor ready A, lease 3, up 75s  2027-01-15 08:00:00Z  from a test"
    assert lines[3].split() == ["makechallenge", "3/32", "1", "2", "4", "5.0"]
    assert lines[8].startswith("issued/s        1.0  mean    1.0  ████")
    away = drawn(look([], available=False), 40, 132)
    assert away[0].startswith("ca-supervisor the store cannot be reached")
    assert any(line.startswith("as of 2027-01-15 07:59:53Z:   in flight 4") for line in away)


def test_frame_shows_a_strangers_text_as_text() -> None:
    """Control characters and markup of an error stand there escaped, in one line."""
    lines = drawn(look([row(1, "bad \x1b[31m\n[bold]record\u202e")]), 40, 200)
    [told] = [line for line in lines if "rejected" in line and "bad" in line]
    assert told.endswith("bad \\x1b[31m\\n[bold]record\\u202e")


def test_frame_has_no_rates_of_one_sample() -> None:
    """One look knows no rate."""
    assert not any("issued/s" in line for line in drawn(look([], samples=1), 40, 132))


def test_spark_shows_what_is_not_nothing() -> None:
    """The highest is whole, nothing is nothing, and a little is seen."""
    assert spark([0, 1, 1000, 500]) == " ▁█▄"
    assert spark([0, 0]) == "  "
    assert spark([]) == ""


def test_span_uses_the_largest_unit() -> None:
    """Seconds up to two minutes, minutes up to two hours, hours up to two days."""
    assert [span(each) for each in (-1, 119, 120, 7199, 7200, 172_799, 172_800)] == [
        "0s", "119s", "2m", "119m", "2h", "47h", "2d",
    ]  # fmt: skip
