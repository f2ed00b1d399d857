"""`init`: makes the CA's keys and certificates; `init csr` and `init accept` for a root that is somewhere else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from stages.ca.files import MAX_FILE_BYTES, write_new
from stages.ca.hierarchy import accept_intermediate, create_intermediate, create_root, intermediate_csr
from stages.ca.issuer import Issuer
from stages.ca.keys import KeyType, generate, load, require_deterministic, save
from stages.ca.pem import pem
from stages.errors import Refused
from supervisor.build import issuer, read_secret
from supervisor.cli import output
from supervisor.cli.arguments import Duration, read_input, write_file
from supervisor.cli.invocation import Invocation, shared
from supervisor.config import Settings

KEY_TYPES: Final = [kind.value for kind in KeyType]
ROOT_VALIDITY: Final = "3650d"
VALIDITY: Final = "1825d"


@click.group(invoke_without_command=True)
@shared
@click.option("--name", default="Private CA", show_default=True, help="What the CA is called; in both subjects.")
@click.option("--key-type", type=click.Choice(KEY_TYPES), default="p256", show_default=True, help="Type of the keys.")
@click.option("--root-key-type", type=click.Choice(KEY_TYPES), help="Type of the root's key, if another.")
@click.option(
    "--root-validity", type=Duration(), default=ROOT_VALIDITY, show_default=True, help="How long the root is valid."
)
@click.option(
    "--validity", type=Duration(), default=VALIDITY, show_default=True, help="How long the intermediate is valid."
)
@click.option("--permit", multiple=True, help="Only names below this domain, or in this network; repeatable.")
@click.option("--exclude", multiple=True, help="No names below this domain, or in this network; repeatable.")
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help="A file with the root key's passphrase. The intermediate's is that of ca.passphrase_file.",
)
@click.pass_context
def init(ctx: click.Context, /, **options: Any) -> None:
    """Make the CA: a root, an intermediate that issues, and config.toml when there is none.

    Nothing is overwritten. --permit and --exclude become name constraints of both certificates (RFC 5280 4.2.1.10).
    """
    if ctx.invoked_subcommand is None:
        _found(ctx.ensure_object(Invocation), **options)


def _found(  # noqa: PLR0913  the options
    invocation: Invocation,
    *,
    name: str,
    key_type: str,
    root_key_type: str | None,
    root_validity: int,
    validity: int,
    permit: Sequence[str],
    exclude: Sequence[str],
    passphrase_file: Path | None,
) -> None:
    config = _ensure_config(invocation)
    settings, now = invocation.settings(), invocation.now
    root_file, root_key_file = _root_files(settings)
    ca = settings.ca
    _refuse_existing(root_key_file, root_file, ca.key, ca.certificate)
    passphrase = _secret(ca.passphrase_file, "ca.passphrase_file")
    root_passphrase = _secret(passphrase_file, "--passphrase-file") or passphrase
    limits = {"permitted": permit, "excluded": exclude}
    root_key, key = generate(root_key_type or key_type), generate(key_type)
    require_deterministic(key, "--key-type")
    random = invocation.random_bytes
    root = create_root(f"{name} Root", root_key, root_validity, now, random, **limits)
    intermediate = create_intermediate(f"{name} Intermediate", key, root, root_key, validity, now, random, **limits)
    _make_directories(root_file, root_key_file, ca.key, ca.certificate)
    save(root_key_file, root_key, root_passphrase)
    write_new(root_file, pem(root).encode(), 0o644)
    save(ca.key, key, passphrase)
    write_new(ca.certificate, pem(intermediate).encode(), 0o644)
    made = issuer(settings, now)
    files = {
        "root": str(root_file),
        "root_key": str(root_key_file),
        "intermediate": str(ca.certificate),
        "intermediate_key": str(ca.key),
    }
    if invocation.json:
        written = {"config": str(config)} if config else {}
        output.document({**written, **files, "issuer": described(made)})
        return
    if config:
        output.line(f"wrote {config}, which has every setting with its default")
    output.table(("made", "file"), [(what.replace("_", " "), file) for what, file in files.items()])
    output.line(f"The root is what clients have to trust: {root_file}")
    output.line(f"The root's key is not needed to issue: move {root_key_file} to a safe place offline.")


@init.command()
@shared
@click.option("--name", default="Private CA", show_default=True, help="What the CA is called; in the subject.")
@click.option("--key-type", type=click.Choice(KEY_TYPES), default="p256", show_default=True, help="Type of the key.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the request goes; else standard output.")
@click.pass_obj
def csr(invocation: Invocation, name: str, key_type: str, out: Path | None) -> None:
    """Make the intermediate's key and a request for another CA to sign; `init accept` takes what comes back."""
    config = _ensure_config(invocation)
    settings = invocation.settings()
    ca = settings.ca
    _refuse_existing(ca.key, ca.certificate)
    key = generate(key_type)
    request = intermediate_csr(key, f"{name} Intermediate")
    _make_directories(ca.key, ca.certificate)
    save(ca.key, key, _secret(ca.passphrase_file, "ca.passphrase_file"))
    if out:
        write_file(out, request.encode())
    if invocation.json:
        written = {"config": str(config)} if config else {}
        output.document({**written, "intermediate_key": str(ca.key), "csr": request})
        return
    if not out:
        output.block(request)
    output.note(f"The key is {ca.key}. Have the request signed as a CA certificate with path length 0.")


@init.command()
@shared
@click.argument("certificate", type=click.Path(path_type=Path))
@click.option("--chain", type=click.Path(path_type=Path), help="The certificates above it, nearest first, to the root.")
@click.pass_obj
def accept(invocation: Invocation, certificate: Path, chain: Path | None) -> None:
    """Take the intermediate that another CA has signed; CERTIFICATE may bring the certificates above it along."""
    settings, now = invocation.settings(), invocation.now
    ca = settings.ca
    _refuse_existing(ca.certificate, *ca.chain)
    key = load(ca.key, _secret(ca.passphrase_file, "ca.passphrase_file"))
    own = read_input(str(certificate), str(certificate), MAX_FILE_BYTES)
    above = read_input(str(chain), str(chain), MAX_FILE_BYTES) if chain else own
    accepted = accept_intermediate(key, own, above, now)
    _make_directories(ca.certificate, *ca.chain)
    upper = "".join(pem(each) for each in accepted[1:]).encode()
    if ca.chain:
        write_new(ca.chain[0], upper, 0o644)
        upper = b""
    write_new(ca.certificate, pem(accepted[0]).encode() + upper, 0o644)
    made = issuer(settings, now)
    if invocation.json:
        output.document({"intermediate": str(ca.certificate), "issuer": described(made)})
        return
    output.line(f"{made.certificate.subject.rfc4514_string()} issues from now on: {ca.certificate}")


def described(made: Issuer) -> dict[str, Any]:
    """An issuer for JSON; times are unix seconds."""
    return {
        "id": made.id,
        "subject": made.certificate.subject.rfc4514_string(),
        "not_before": made.not_before,
        "not_after": made.not_after,
        "spki_sha256": made.spki_sha256,
    }


def _ensure_config(invocation: Invocation) -> Path | None:
    """Write config.toml where there is none; gives its path when it was written."""
    named = invocation.named_config()
    file = (named or Path("config.toml")).absolute()
    if file.exists() or (named is None and _exists_elsewhere(invocation)):
        return None
    packaged = Path(__file__).parents[1] / "config.toml"
    if not packaged.is_file():
        packaged = Path(__file__).parents[2] / "config.toml"  # a checkout
    _make_directories(file)
    write_new(file, packaged.read_bytes(), 0o644)
    invocation.config = file
    return file


def _exists_elsewhere(invocation: Invocation) -> bool:
    from supervisor.config import ConfigError  # noqa: PLC0415  beside its only use

    try:
        return invocation.config_file().is_file()
    except ConfigError:
        return False


def _root_files(settings: Settings) -> tuple[Path, Path]:
    """Where the root's certificate and key go."""
    chain = settings.ca.chain
    if len(chain) != 1:
        reason = "must name one file, the root's, for a CA that `init` makes; `init csr` is for other ones"
        raise Refused("config", "ca.chain", reason)
    return chain[0], settings.data_dir / "ca" / "root.key"


def _refuse_existing(*files: Path) -> None:
    for file in files:
        if file.exists() or file.is_symlink():
            reason = "the file exists already, and nothing is overwritten; move it away to found another CA"
            raise Refused("config", str(file), reason)


def _make_directories(*files: Path) -> None:
    for file in files:
        try:
            for folder in (file.parent.parent, file.parent):  # data_dir and ca/: mkdir's mode is not for its parents
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Refused("config", str(file.parent), f"cannot be made: {error.strerror}") from None


def _secret(file: Path | None, setting: str) -> bytes | None:
    return read_secret(file, setting).encode() or None
