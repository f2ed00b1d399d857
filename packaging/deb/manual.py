"""Makes the man pages from the program itself: ca-supervisor(1) of its commands, ca-supervisor.toml(5) of its settings.

Used by build.py; run by itself it writes both into the directory that is given: `python packaging/deb/manual.py DIR`.
Times are given, not taken, so that the same sources give the same bytes.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from supervisor.cli import COMMANDS, cli
from supervisor.config import reference
from supervisor.config.settings import Settings
from supervisor.config.show import by_table, toml_value
from supervisor.version import VERSION

_NAME: Final = "ca-supervisor"
_FILE: Final = "ca-supervisor.toml"
_CLI_PAGE: Final = Path(__file__).parents[2] / "docs" / "cli.md"
_SHARED: Final = frozenset({"--config", "--json", "--help"})
"""Options that every command has: they are on top of the page."""
_EXIT: Final = re.compile(r"^\| (\d+) \| (\w+) \| (.*) \|$", re.MULTILINE)


def pages(moment: int) -> dict[str, str]:
    """Both pages by file name, dated with unix time `moment`."""
    day = time.strftime("%Y-%m-%d", time.gmtime(moment))
    return {f"{_NAME}.1": _join(_commands(day)), f"{_FILE}.5": _join(_settings(day))}


def text(words: str) -> str:
    """Words as roff has them: nothing in them is a request or an escape (groff_char(7))."""
    plain = words.replace("\\", "\\e").replace("-", "\\-").replace("`", "").replace("'", "\\(aq")
    plain = plain.replace("~", "\\(ti").replace("^", "\\(ha")
    return "\\&" + plain if plain.startswith((".", "'")) else plain


def _join(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"


def _head(name: str, section: int, day: str, what: str) -> Iterator[str]:
    yield f'.TH {name.upper()} {section} "{day}" "{_NAME} {VERSION}" "{_NAME}"'
    yield ".SH NAME"
    yield f"{name} \\- {text(what)}"


def _commands(day: str) -> Iterator[str]:
    yield from _head(_NAME, 1, day, "private certificate authority with an ACME server")
    yield from (".SH SYNOPSIS", f".B {text(_NAME)}", "[options] command [options] [arguments]", ".SH DESCRIPTION")
    yield text("A private certificate authority as one program: an ACME server (RFC 8555), a store that comes with it,")
    yield text("and commands to look and to act. It loses no request when it is killed, and never signs twice for one.")
    yield from (".PP", text("Every command works while a supervisor runs, and takes these options as well:"))
    yield from _options(cli, click.Context(cli, info_name=_NAME))
    yield ".SH COMMANDS"
    for name, (_, sentence) in COMMANDS.items():
        command = cli.get_command(click.Context(cli, info_name=_NAME), name)
        assert command is not None  # noqa: S101  it is in the table
        yield from _command(command, name, sentence)
    yield from (".SH EXIT STATUS",)
    for code, _, meaning in _EXIT.findall(_CLI_PAGE.read_text(encoding="utf-8")):
        yield from (".TP", f".B {code}", text(meaning))
    yield from (".SH ENVIRONMENT", ".TP", ".B CA_SUPERVISOR_CONFIG", "The config file, where no option names one.")
    yield from (".TP", ".B CA_SUPERVISOR__TABLE__KEY", text("Overrides the setting key of [table]: see"))
    yield f".BR {text(_FILE)} (5)."
    yield from (".TP", ".B CA_SUPERVISOR_CACHE", text("Where the one-file program unpacks itself."))
    yield from (".SH FILES", ".TP", ".I /etc/ca\\-supervisor/config.toml", "The settings.")
    yield from (".TP", ".I /var/lib/ca\\-supervisor", "The CA, its store, the CRL: as precious as the CA's keys.")
    yield from (".TP", ".I /usr/share/doc/ca\\-supervisor/docs", "How it is run, and why it is built so.")
    yield from (".SH SEE ALSO", f".BR {text(_FILE)} (5),", ".BR systemctl (1),", ".BR journalctl (1)")


def _command(command: click.Command, path: str, sentence: str) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    yield f".SS {text(path)}"
    usage = [text(piece) for piece in command.collect_usage_pieces(context)]
    yield f".B {text(f'{_NAME} {path}')}"
    yield " ".join(usage)
    yield ".PP"
    yield from _paragraphs(command.help or sentence)
    yield from _options(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None  # noqa: S101  it was listed
            yield from _command(below, f"{path} {name}", below.get_short_help_str(200))


def _paragraphs(words: str) -> Iterator[str]:
    for number, paragraph in enumerate(re.split(r"\n\s*\n", words.replace("\b", "").strip())):
        if number:
            yield ".PP"
        yield text(" ".join(paragraph.split()))


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    shared = _SHARED if command is not cli else frozenset[str]()
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Argument) or shared.intersection(parameter.opts):
            continue
        record = parameter.get_help_record(context)
        if record is not None:
            yield from (".TP", f".B {text(record[0])}", text(" ".join(record[1].split())))


def _settings(day: str) -> Iterator[str]:
    yield from _head(_FILE, 5, day, "settings of the private certificate authority ca-supervisor")
    yield from (".SH SYNOPSIS", ".I /etc/ca\\-supervisor/config.toml", ".SH DESCRIPTION")
    for line in reference.INTRODUCTION.split("\n\n", 1)[1].rsplit("\n\n", 1)[0].split("\n- "):
        yield from (".PP", text(" ".join(line.replace("**", "").split())))
    yield ".SH SETTINGS"
    for table, rows in by_table(Settings()):
        yield f".SS {text(f'[{table}]' if table else 'Top of the file')}"
        for row in rows:
            key = row.key.rpartition(".")[2]
            default = toml_value(row.value, row.kind)
            taken = "restart" if row.restart else "reload"
            yield from (".TP", f".B {text(key)}", text(str(row.field.description)))
            yield text(f"Unit: {reference.unit(row)}. Default: {default}. Taken on {taken}.")
    yield from (".SH SEE ALSO", f".BR {text(_NAME)} (1)")


if __name__ == "__main__":
    for file, page in pages(int(time.time())).items():
        (Path(sys.argv[1]) / file).write_text(page, encoding="utf-8")
