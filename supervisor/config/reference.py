"""Makes config.toml and docs/configuration.md from the declarations: `python -m supervisor.config.reference`.

Run it at the root of the repository after a setting was changed; a test fails when either file is stale.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args, get_origin

from supervisor.config.settings import Entry, Settings
from supervisor.config.show import by_table, toml_value

_HEAD = """\
# The settings of ca-supervisor. Every setting is here with its default, so a line can be left out.
# Durations: "500ms", "30s", "5m", "12h", "90d". Sizes: "512B", "20KiB", "1MiB".
# Relative paths start at the directory of this file, or at data_dir where it says so.
# Made by `python -m supervisor.config.reference`; more in docs/configuration.md.
"""

INTRODUCTION = """\
# Configuration

One file, `config.toml`, has every setting. A file that leaves a setting out gets its default; a key that the
program does not know, or a value that it cannot use, is refused, and all of them are reported at once.

- **Durations** are texts with a unit: `"500ms"`, `"30s"`, `"5m"`, `"12h"`, `"90d"`. A bare number is refused.
- **Sizes** are texts with a unit: `"512B"`, `"20KiB"`, `"1MiB"`.
- **Relative paths** start at the directory of the file; those of the certificates, the key and the CRL start
  at `data_dir`. An empty path means none.
- **Secrets** are never settings: a setting names the file whose first line is the secret.
- **The environment** overrides the file: `CA_SUPERVISOR__QUEUES__ISSUE__CONCURRENCY=8` sets
  `queues.issue.concurrency`. The value is a TOML value, or plain text. A variable that begins with
  `CA_SUPERVISOR__` and names no setting is refused.
- **Profiles**: `[profiles.<name>]` makes a kind of certificate. The profile `default` is always there.
- **A reload** (`ca-supervisor reload`, or SIGHUP) reads the file again. A file with a mistake changes nothing;
  what the last column calls *restart* keeps its old value until the program is started again.
  `check-config --diff` shows beforehand what would change.

The tables below are made by `python -m supervisor.config.reference`.
"""


def sample() -> str:
    """The text of config.toml."""
    lines = [_HEAD]
    for table, rows in by_table(Settings()):
        lines += [f"\n[{table}]"] if table else []
        for row in rows:
            default = toml_value(row.value, row.kind)
            lines += [f"# {row.field.description} Unit: {unit(row)}. Default: {default}."]
            lines += [f"{row.key.rpartition('.')[2]} = {default}"]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The text of docs/configuration.md."""
    lines = [INTRODUCTION]
    for table, rows in by_table(Settings()):
        title = table.replace("profiles.default", "profiles.&lt;name&gt;")
        lines += [f"## {f'[{title}]' if title else 'Top of the file'}", ""]
        lines += ["| key | default | unit | what it does | taken on |", "|---|---|---|---|---|"]
        for row in rows:
            taken = "restart" if row.restart else "reload"
            cells = (
                f"`{row.key.replace('profiles.default', 'profiles.<name>')}`",
                f"`{toml_value(row.value, row.kind)}`",
                unit(row),
                str(row.field.description),
                taken,
            )
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Write both files below the current directory."""
    Path("config.toml").write_text(sample(), encoding="utf-8")
    Path("docs").mkdir(exist_ok=True)
    Path("docs/configuration.md").write_text(page(), encoding="utf-8")


def unit(row: Entry) -> str:
    """The unit of a setting in words."""
    if row.unit:
        return row.unit
    if row.kind is not None:
        return row.kind.value
    if get_origin(row.field.annotation) is Literal:
        return f"one of {', '.join(get_args(row.field.annotation))}"
    if isinstance(row.value, bool):
        return "true or false"
    return "list" if isinstance(row.value, tuple) else "text"


if __name__ == "__main__":
    main()
