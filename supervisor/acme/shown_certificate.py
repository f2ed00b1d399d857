"""Which certificate the front shows: none behind a proxy, the operator's files, or one that the CA issues to itself.

The files are read again with each reload; the CA's own certificate is renewed by a task. For the front only.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

import anyio.abc

from stages.ca.issuer import Issuer
from stages.ca.profiles import Profile
from stages.store.store import Store
from supervisor.acme.door_folder import FOLDER
from supervisor.acme.own_certificate import OwnCertificate, keep_own_certificate, own_profile
from supervisor.config.acme import Acme
from supervisor.http.tls import ServerTls
from supervisor.reload import Reloader


async def shown_certificate(
    group: anyio.abc.TaskGroup, store: Store, issuer: Issuer, reloader: Reloader
) -> ServerTls | None:
    """The TLS of the front; None for plain HTTP. What keeps it fresh is a task of `group`, or follows the reloads.

    Raises:
        Refused: a TLS file cannot be used, or the CA may not certify its own names.
        StoreUnavailable: the CA's own certificate could not be put on record.
    """
    acme = reloader.settings.acme
    if acme.tls == "off":
        return None
    if acme.tls == "files":
        return _from_files(acme, reloader)
    own = OwnCertificate(
        store,
        issuer,
        reloader.settings.data_dir / FOLDER,
        lambda: reloader.settings.acme.names,
        lambda: _own_profile(reloader),
        store.clock,
        secrets.token_bytes,
    )
    files = await own.ensure()
    tls = ServerTls(files.chain, files.key, setting=str(files.chain))
    group.start_soon(keep_own_certificate, own, tls, reloader.pause, name="own certificate")
    return tls


def _from_files(acme: Acme, reloader: Reloader) -> ServerTls:
    assert acme.tls_certificate is not None  # noqa: S101  the configuration demands both
    assert acme.tls_key is not None  # noqa: S101  as above
    tls = ServerTls(acme.tls_certificate, acme.tls_key)
    reloader.followers.append(lambda new: _load_again(tls, new.acme))
    return tls


def _load_again(tls: ServerTls, acme: Acme) -> Callable[[], None]:
    """What puts the files of a reload in place; nothing where none are named any more: `tls` itself takes a restart."""
    if acme.tls_certificate is None or acme.tls_key is None:
        return lambda: None
    return tls.prepare(acme.tls_certificate, acme.tls_key)


def _own_profile(reloader: Reloader) -> Profile:
    domain = reloader.domain
    return own_profile(domain.profiles[domain.settings.default_profile])
