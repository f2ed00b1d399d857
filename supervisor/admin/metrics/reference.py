"""Makes the table in docs/metrics.md: `python -m supervisor.admin.metrics.reference`.

Run it at the root of the repository after a metric was changed; a test fails when the page is stale.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from supervisor.admin.metrics.table import METRICS, PREFIX, PROCESS

BEGIN: Final = "<!-- the table of metrics begins -->"
END: Final = "<!-- the table of metrics ends -->"


def table() -> str:
    """The table of docs/metrics.md."""
    lines = ["| metric | kind | labels | what it says |", "|---|---|---|---|"]
    for name, metric in METRICS.items():
        shown = PREFIX + name + ("_total" if metric.kind == "counter" else "")
        labels = " ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{shown}` | {metric.kind} | {labels} | {metric.says} |")
    lines += [
        f"| `{name}` | {'counter' if name.endswith('_total') else 'gauge'} |  | of the process |" for name in PROCESS
    ]
    return "\n".join(lines)


def with_table(text: str) -> str:
    """The page with its table made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE = Path("docs/metrics.md")
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
