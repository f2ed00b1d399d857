"""`rotate`: a new intermediate from the root's key, beside the old one; the config file names it in one step.

Nothing is overwritten and nothing that runs is changed: the supervisor issues with the new one from its restart on, and
two lines of the config file lead back.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click
from cryptography import x509

from stages.ca.chain import check_chain
from stages.ca.constraints import EVERY_IP
from stages.ca.files import write_new
from stages.ca.hierarchy import create_intermediate
from stages.ca.keys import KeyType, generate, load, save
from stages.ca.pem import pem, read_certificates
from stages.errors import Refused
from supervisor.build import issuer, read_secret
from supervisor.cli import output
from supervisor.cli.arguments import Duration
from supervisor.cli.editing import edit, require_writable
from supervisor.cli.founding import VALIDITY, described
from supervisor.cli.invocation import Invocation, shared
from supervisor.config import Settings

_MOST: Final = 1000
"""Numbers that are tried for a file's name."""


@click.command()
@shared
@click.option(
    "--root-key", required=True, type=click.Path(path_type=Path), help="The root's key, such as /media/root.key."
)
@click.option("--passphrase-file", type=click.Path(path_type=Path), help="A file with the root key's passphrase.")
@click.option("--same-key", is_flag=True, help="Keep the intermediate's key: a longer life, and nothing else is new.")
@click.option("--name", help="The new intermediate's common name. Default: that of the present one.")
@click.option("--key-type", type=click.Choice([kind.value for kind in KeyType]), default="p256", show_default=True)
@click.option("--validity", type=Duration(), default=VALIDITY, show_default=True, help="How long it is valid.")
@click.pass_obj
def rotate(
    invocation: Invocation,
    root_key: Path,
    passphrase_file: Path | None,
    same_key: bool,  # noqa: FBT001  click's signature
    name: str | None,
    key_type: str,
    validity: int,
) -> None:
    """Make a new intermediate from the root's key, and name it in the config file; the next start issues with it.

    Its name constraints are those of the present one. The files of the present one stay.
    """
    config, settings, now = invocation.config_file().absolute(), invocation.settings(), invocation.now
    ca = settings.ca
    present, root = read_certificates(ca.certificate)[0], _root(settings)
    opened = load(root_key, _secret(passphrase_file, "--passphrase-file"))
    check_chain(opened, [root], now, "--root-key")
    passphrase = _secret(ca.passphrase_file, "ca.passphrase_file")
    key = load(ca.key, passphrase) if same_key else generate(key_type)
    permitted, excluded = _limits(present)
    made = create_intermediate(
        name or _common_name(present),
        key,
        root,
        opened,
        validity,
        now,
        invocation.random_bytes,
        permitted=permitted,
        excluded=excluded,
    )
    certificate_file, key_file = _free(ca.certificate.parent, ca.certificate.stem, ca.key)
    require_writable(config)
    if not same_key:
        save(key_file, key, passphrase)
        _give(key_file, ca.key)
    write_new(certificate_file, pem(made).encode(), 0o644)
    _give(certificate_file, ca.certificate)
    values: dict[str, int | str] = {"ca.certificate": _named(certificate_file, settings)}
    if not same_key:
        values["ca.key"] = _named(key_file, settings)
    edit(invocation, config, values)
    described_now = described(issuer(invocation.settings(), now))
    if invocation.json:
        output.document({"config": str(config), "changed": values, "issuer": described_now})
        return
    output.table(("setting", "now"), list(values.items()))
    output.note("The next start issues with it: `systemctl restart ca-supervisor`, which loses no order.")
    output.note(f"Take {root_key} offline again. To go back, give the settings their old values.")


def _root(settings: Settings) -> x509.Certificate:
    """The root that has signed the present intermediate."""
    chain = settings.ca.chain
    if len(chain) != 1:
        raise Refused("config", "ca.chain", "must name one file, the root's; `init csr` is for a longer chain")
    certificates = read_certificates(chain[0])
    if len(certificates) != 1:
        raise Refused(
            "config", str(chain[0]), "must hold one certificate, the root's; `init csr` is for a longer chain"
        )
    return certificates[0]


def _limits(present: x509.Certificate) -> tuple[list[str], list[str]]:
    """Its name constraints as `create_intermediate` takes them, which adds EVERY_IP by itself."""
    try:
        limits = present.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return [], []
    permitted, excluded = (
        [str(each.value) for each in found or ()] for found in (limits.permitted_subtrees, limits.excluded_subtrees)
    )
    if permitted and not any("/" in each for each in permitted):
        excluded = [each for each in excluded if each not in EVERY_IP]
    return permitted, excluded


def _common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    if not found:
        raise Refused("malformed", "--name", "the present intermediate has no common name to keep; give one")
    return str(found[0].value)


def _free(folder: Path, stem: str, key: Path) -> tuple[Path, Path]:
    """Names for a certificate and a key that nothing has yet: the old stem with the next number."""
    base, _, number = stem.rpartition("-")
    base = base if base and number.isdigit() else stem
    for count in range(2, _MOST):
        files = folder / f"{base}-{count}.pem", key.parent / f"{base}-{count}.key"
        if not any(file.exists() or file.is_symlink() for file in files):
            return files
    raise Refused("config", str(folder), "there is no free name for another intermediate")


def _give(file: Path, present: Path) -> None:
    """Root makes the files for the supervisor's user: whoever owns the present ones."""
    if os.geteuid() == 0:
        status = present.stat() if present.exists() else present.parent.stat()
        os.chown(file, status.st_uid, status.st_gid)


def _named(file: Path, settings: Settings) -> str:
    """As config.toml names it: relative to data_dir where it is below."""
    return str(file.relative_to(settings.data_dir) if file.is_relative_to(settings.data_dir) else file)


def _secret(file: Path | None, setting: str) -> bytes | None:
    return read_secret(file, setting).encode() or None
