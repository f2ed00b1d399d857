"""What `top` draws: one frame from one look, for a given number of rows and columns. Pure; for `supervisor.cli.top`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from supervisor.cli import output
from supervisor.cli.top_source import Look
from supervisor.logs.safety import safe_text
from supervisor.overview.parts import Overview, QueueNow, Samples, SessionRow

BARS: Final = " ▁▂▃▄▅▆▇█"
_MINUTE: Final = 60.0
_HOUR: Final = 3600
_DAY: Final = 86_400
_LEAST_SAMPLES: Final = 2
_WARNINGS: Final = 3
_NARROW: Final = 100
_SHORT: Final = 8
_FROM_HOURS: Final = 2
_STYLES: Final = {"rejected": "red", "unreadable": "red", "retrying": "yellow", "at work": "cyan", "finished": "green"}


def frame(look: Look, rows: int, columns: int, hint: str = "", *, fit: bool = True) -> RenderableType:
    """The frame; `hint` stands at its end. What does not fit into `rows` is left out, from the list of sessions.

    With `fit` the list is as wide as the screen, else as wide as its texts.
    """
    overview = look.overview
    above: list[RenderableType] = [_head(look), Text(""), _queues(overview), Text(""), *_rates(overview, columns)]
    above += [
        _line(f"{warning.severity}: {warning.text}", "red" if warning.severity == "error" else "yellow")
        for warning in overview.warnings[:_WARNINGS]
    ]
    above += [_line(_totals(overview)), _line(_authority(overview), "dim"), Text("")]
    below = [_line(hint, "dim")] if hint else []
    headers, ends = 2, 1  # of the two tables; the last line's end would scroll
    left = rows - len(above) - len(overview.queues) + 1 - headers - len(below) - ends
    return Group(*above, _sessions(look, max(0, left), columns, fit=fit), *below)


def _line(text: str, style: str = "") -> Text:
    return Text(safe_text(text), style=style, no_wrap=True, overflow="ellipsis")


def _head(look: Look) -> Text:
    overview, program = look.overview, look.overview.program
    made = Text(no_wrap=True, overflow="ellipsis")
    made.append("ca-supervisor ", "bold")
    if not overview.store_available:
        made.append("the store cannot be reached ", "bold red")
    elif program is not None and not program.ready:
        made.append(f"{safe_text(', '.join(program.faults))} ", "bold yellow")
    elif program is not None:
        made.append("ready ", "bold green")
    if program is not None and program.supervisor:
        made.append(safe_text(f"{program.supervisor}, lease {program.fence}, up {span(program.uptime)}  "))
    made.append(output.when(int(overview.at)))
    made.append(safe_text(f"  from {look.where}"), "dim")
    return made


def _queues(overview: Overview) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("queue")
    for name in ("at work", "queued", "retrying", "waiting", "mean ms"):
        table.add_column(name, justify="right")
    for queue in overview.queues:
        table.add_row(queue.queue, *_numbers(queue))
    return table


def _numbers(queue: QueueNow) -> Iterator[Text]:
    at_work = f"{queue.at_work}/{queue.concurrency}" if queue.concurrency else "-"
    yield Text(at_work, "cyan" if queue.at_work else "dim")
    for number in (queue.pending, queue.delayed, queue.waiting):
        yield Text("-" if number is None else str(number), "" if number else "dim")
    yield Text("-" if queue.mean_ms is None else f"{queue.mean_ms:.1f}", "" if queue.mean_ms else "dim")


def _rates(overview: Overview, columns: int) -> list[RenderableType]:
    samples = overview.samples
    if samples is None or len(samples.issued) < _LEAST_SAMPLES:
        return []
    standing = [sum(each) for each in zip(*samples.pending, *samples.delayed, *samples.at_work, strict=True)]
    rows = [
        ("issued/s", [count / samples.step for count in samples.issued], "green"),
        ("rejected/s", [count / samples.step for count in samples.rejected], "red"),
        ("in queues", [float(count) for count in standing], "cyan"),
    ]
    width = max(10, columns - 34)
    return [_rate(name, values, style, width, samples) for name, values, style in rows]


def _rate(name: str, values: Sequence[float], style: str, width: int, samples: Samples) -> Text:
    minute = values[-max(1, round(_MINUTE / samples.step)) :]
    mean = sum(minute) / len(minute)
    made = Text(no_wrap=True, overflow="crop")
    made.append(f"{name:<11}", "dim")
    made.append(f"{values[-1]:>8.1f}")
    made.append(f"  mean {mean:>6.1f}  ", "dim")
    made.append(spark(values[-width:]), style)
    return made


def spark(values: Sequence[float]) -> str:
    """Bars for these values, the highest one whole; anything above nothing can be seen."""
    most = max(values, default=0.0)
    if most <= 0:
        return BARS[0] * len(values)
    return "".join(BARS[0] if value <= 0 else BARS[max(1, round(value / most * (len(BARS) - 1)))] for value in values)


def _totals(overview: Overview) -> str:
    store = overview.store
    if store is None:
        return f"store: {overview.store_fault or 'not asked yet'}"
    in_flight = sum(each.in_flight for each in store.supervisors)
    parts = [
        f"in flight {in_flight}",
        f"certificates {store.certificates}",
        f"undelivered {store.undelivered}",
        f"failed {store.failed}",
        f"revoked {store.revoked}",
        f"retired {store.retired}",
        f"rejected {store.rejected}",
        f"set aside {store.quarantined}",
    ]
    old = f"as of {output.when(int(store.at))}:   " if not overview.store_available else ""
    return old + "   ".join(parts)


def _authority(overview: Overview) -> str:
    tree, now = overview.tree, overview.at
    said = []
    if tree.chains:
        issuer = tree.chains[0][-1]
        said.append(f"issuer {issuer.subject}, {span(issuer.not_after - now)} left")
    crl = tree.crl
    said.append(
        f"CRL: {crl.problem}"
        if crl.problem
        else f"CRL {crl.number}, {crl.entries} entries, next update in {span(crl.next_update - now)}"
    )
    if overview.ending:
        said.append(f"next expiry {output.when(overview.ending[0].not_after)}")
    return "   ".join([*said, *tree.problems])


def _sessions(look: Look, most: int, columns: int, *, fit: bool) -> RenderableType:
    if not look.sessions.rows:
        return _line("no sessions", "dim")
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0), expand=fit)
    for name, ratio in (("session", 0), ("names", 2), ("place", 0), ("state", 0), ("age", 0), ("last move", 3)):
        if name == "state" and columns < _NARROW:
            continue
        table.add_column(name, no_wrap=True, overflow="ellipsis", ratio=ratio or None)
    for row in look.sessions.rows[:most]:
        table.add_row(*_cells(row, look.sessions.at, columns))
    return table


def _cells(row: SessionRow, at: float, columns: int) -> Iterator[Text]:
    yield Text(safe_text(row.id[:_SHORT]))
    yield Text(safe_text(output.some(row.names, 2)) or "-")
    yield Text(row.place, _STYLES.get(row.place, ""))
    if columns >= _NARROW:
        yield Text(row.state)
    yield Text(span(at - row.created) if row.created else "-")
    yield Text(safe_text(row.detail or row.last), "red" if row.detail else "dim")


def span(seconds: float) -> str:
    """A time in its largest unit: "12s", "5m", "3h", "40d"."""
    whole = max(0, int(seconds))
    if whole < _FROM_HOURS * _MINUTE:
        return f"{whole}s"
    if whole < _FROM_HOURS * _HOUR:
        return f"{whole // 60}m"
    if whole < _FROM_HOURS * _DAY:
        return f"{whole // _HOUR}h"
    return f"{whole // _DAY}d"
