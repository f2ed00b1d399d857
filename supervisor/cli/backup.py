"""`backup` and `restore`: the whole CA as one file, and back (docs/backup.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

import anyio
import click
import msgspec

from stages.errors import Refused
from stages.store.store import Store
from supervisor.backup.archive import Backup, open_backup
from supervisor.backup.config_file import put, with_data_dir
from supervisor.backup.encryption import Passphrase
from supervisor.backup.making import make
from supervisor.backup.manifest import CONFIG, Manifest
from supervisor.backup.restoring import Restored
from supervisor.backup.restoring import restore as put_back
from supervisor.backup.target import STDOUT, target
from supervisor.build import read_secret
from supervisor.cli import output
from supervisor.cli.invocation import Invocation, shared
from supervisor.cli.stores import opened
from supervisor.config import Settings

PASSPHRASE = "--passphrase-file"  # noqa: S105  an option's name


@click.command()
@shared
@click.argument("file")
@click.option("--force", is_flag=True, help="Replace FILE where it exists.")
@click.option("--verify", is_flag=True, help="Make none: read the backup FILE and compare all of it.")
@click.option(
    PASSPHRASE, "passphrase_file", type=click.Path(path_type=Path), help="Encrypt it with this file's first line."
)
@click.pass_obj
def backup(invocation: Invocation, file: str, *, force: bool, verify: bool, passphrase_file: Path | None) -> None:
    """Write all of the CA into FILE ("-": standard output), beside a supervisor or without one.

    The keys of the CA come as they are: one in plain text makes FILE as secret as the key.
    """
    passphrase = _passphrase(passphrase_file)
    if verify:
        with open_backup(Path(file)) as read:
            manifest = Backup(read, file, passphrase).verify()
        _show(invocation, manifest, f"{file} is whole")
        return
    settings, config = invocation.settings(), invocation.config_file()

    async def work(to: BinaryIO) -> Manifest:
        async with opened(settings, invocation.clock) as store:
            return await make(settings, config, store, to.write, passphrase, invocation.random_bytes)

    try:
        with target(file, force=force) as to:
            manifest = anyio.run(work, to)
    except OSError as error:  # of standard output: a file's are told by `target`
        raise Refused("malformed", file, f"cannot be written: {error.strerror}") from None
    _warn(manifest, encrypted=passphrase is not None)
    if file == STDOUT:
        return
    _show(invocation, manifest, f"wrote {file}")


@click.command()
@shared
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--into", type=click.Path(path_type=Path), help="Make config.toml and data here, not where the settings say."
)
@click.option(
    PASSPHRASE, "passphrase_file", type=click.Path(path_type=Path), help="A file whose first line decrypts it."
)
@click.pass_obj
def restore(invocation: Invocation, file: Path, into: Path | None, passphrase_file: Path | None) -> None:
    """Put the backup FILE into an empty data directory and an empty store: all of it, or nothing.

    Never run a restored CA beside the one that the backup was made of.
    """
    with open_backup(file) as read:
        packed = Backup(read, str(file), _passphrase(passphrase_file))
        manifest = packed.verify()
        text = next(data for member, data in packed.each(manifest) if member.name == CONFIG)
        if into is not None:
            text = with_data_dir(text, "data", str(file))
            invocation.config = into / CONFIG
        config = (invocation.named_config() or _usual(invocation)).absolute()
        _check_into(into, config, text)
        with ExitStack() as undo:
            written = put(config, text)
            if written:
                undo.callback(config.unlink)
            invocation.config = config
            settings = invocation.settings()

            @asynccontextmanager
            async def connect() -> AsyncIterator[Store]:
                async with opened(settings, invocation.clock) as store:
                    yield store

            done = anyio.run(put_back, packed, manifest, settings, connect, invocation.clock, invocation.random_bytes)
            undo.pop_all()
    _tell(invocation, manifest, done, config, differs=not written and config.read_bytes() != text, settings=settings)


def _passphrase(file: Path | None) -> Passphrase | None:
    return Passphrase(read_secret(file, PASSPHRASE)) if file else None


def _usual(invocation: Invocation) -> Path:
    """The config file in the usual places, or where `init` makes one."""
    from supervisor.config import ConfigError  # noqa: PLC0415  beside its only use

    try:
        return invocation.config_file()
    except ConfigError:
        return Path(CONFIG)


def _check_into(into: Path | None, config: Path, text: bytes) -> None:
    """--into needs an empty directory, or one that a restore of the same backup was broken off in."""
    if into is None or not into.exists():
        return
    try:
        for path in into.glob(f".{CONFIG}.*.new"):
            path.unlink()  # of a restore that was killed while it wrote its first file
        found = {path.name for path in into.iterdir()}
    except OSError as error:
        raise Refused("malformed", "--into", f"{into} cannot be used: {error.strerror}") from None
    if config.exists() and config.read_bytes() == text:
        found -= {CONFIG, "data"}
    if found:
        raise Refused("malformed", "--into", f"{into} is not empty (there is {min(found)!r})")


def _warn(manifest: Manifest, *, encrypted: bool) -> None:
    if manifest.plain and not encrypted:
        output.note(f"in plain text are in it: {', '.join(manifest.plain)}; keep it as safe as these keys")
    for setting, path in manifest.left_out.items():
        output.note(f"not in it: {setting}, {path}; keep it somewhere else")


def _show(invocation: Invocation, manifest: Manifest, what: str) -> None:
    if invocation.json:
        output.document(_document(manifest))
        return
    counts, size = manifest.counts, sum(member.size for member in manifest.members)
    output.line(f"{what}: backup {manifest.id} of {output.when(manifest.made)}, of {manifest.ca.subject}")
    output.line(
        f"{counts.certificates} certificates, {counts.active} sessions under way, {counts.revoked} revocations,"
        f" CRL number {max(counts.crl_number, manifest.crl_number)}; {size} bytes unpacked;"
        f" writers were held up for {manifest.paused * 1000:.1f} ms"
    )


def _document(manifest: Manifest) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(manifest)
    return made


def _tell(
    invocation: Invocation, manifest: Manifest, done: Restored, config: Path, *, differs: bool, settings: Settings
) -> None:
    if invocation.json:
        output.document(
            {
                "backup": manifest.id,
                "made": manifest.made,
                "restored": done.at,
                "config": str(config),
                "data_dir": str(done.data_dir),
                "crl_number": done.crl_number,
                "aside": [{"was": was, "is": str(path)} for was, path in done.aside],
                "left_out": manifest.left_out,
            }
        )
        return
    output.line(f"restored {done.data_dir} from backup {manifest.id} of {output.when(manifest.made)}")
    output.line(f"its settings are {config}; the next CRL has a number above {done.crl_number}")
    if differs:
        output.note(f"{config} was there and stays; the backup has another one")
    if settings.store.prefix != manifest.prefix:
        output.note(f"its keys had the prefix {manifest.prefix!r}, and now have {settings.store.prefix!r}")
    for was, path in done.aside:
        output.note(f"put {path} back to {was}, or name it in the settings")
    for setting, was in manifest.left_out.items():
        output.note(f"not in the backup: {setting}, {was}")
    output.note("what was issued and revoked after the backup is not on record here (docs/backup.md)")
    output.note("never run it beside the CA that the backup was made of")
