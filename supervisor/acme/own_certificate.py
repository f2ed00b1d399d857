"""The front door's own TLS certificate, which the CA issues to itself (docs/decisions/0012-own-certificate.md).

The order makes every step repeatable: key on disk, intent in the store (law 3), signature, certificate on record, chain
on disk. A program that died anywhere between them signs the same bytes again, or begins anew with nothing in use. The
program starts it (`OwnCertificate.ensure`) and keeps it as an upkeep task (`keep_own_certificate`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

import structlog
from msgspec.structs import replace

from stages.ca import keys
from stages.ca.csr import CheckedCsr
from stages.ca.files import write_new
from stages.ca.intent import Intent, make_intent
from stages.ca.issuer import Issuer
from stages.ca.profiles import Profile
from stages.ca.spki import public_bytes
from stages.certifying import certify
from stages.errors import Refused, StoreUnavailable
from stages.store.certificates import read_certificate
from stages.store.door import DoorCertificate, read_door, write_certificate, write_intent
from stages.store.store import Store
from supervisor.acme.door_folder import DoorFolder, Files
from supervisor.http.tls import ServerTls

log = structlog.get_logger()

LOOK: Final = 60.0
"""Seconds between two looks at whether it is due."""
_EARLY: Final = 60
"""Seconds by which a clock may go back without a new certificate."""


class _Held(NamedTuple):
    """A record as it stands in the store, read."""

    text: bytes
    record: DoorCertificate
    intent: Intent


def own_profile(default: Profile) -> Profile:
    """The profile of the door's certificate: validity and URLs of the default one, good for a TLS server only."""
    return replace(
        default,
        name="door",
        key_usages=("digitalSignature",),
        extended_key_usages=("serverAuth",),
        past_issuer="clamp",
    )


def why_due(intent: Intent, made: int, names: tuple[str, ...], issuer: Issuer, now: int) -> str:
    """Why a new certificate is needed in place of this one, made at the unix time `made`; "" while it is good."""
    if intent.names != names:
        return "its names have changed"
    if intent.issuer_spki_sha256 != issuer.spki_sha256:
        return "the issuer has changed"
    if now + _EARLY < intent.not_before:
        return "its validity has not begun: the clock was set back"
    if now > intent.not_after:
        return "it has expired"
    # One that lives as long as its issuer is not made again: it could not live longer.
    if intent.not_after < issuer.not_after and now >= made + (intent.not_after + 1 - made) * 2 // 3:
        return "two thirds of its validity are over"
    return ""


class OwnCertificate:
    """The certificate of one door.

    Args:
        store: where intent and record are kept.
        issuer: who signs.
        folder: where its files are (`data_dir` / `door_folder.FOLDER`); made when it is missing.
        names: the present names, DNS names and IP addresses in canonical form.
        profile: the present profile (`own_profile`).
        clock: unix time in seconds.
        random_bytes: the random source of serial numbers; the key is made from the system's.
    """

    def __init__(
        self,
        store: Store,
        issuer: Issuer,
        folder: Path,
        names: Callable[[], tuple[str, ...]],
        profile: Callable[[], Profile],
        clock: Callable[[], float],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._store = store
        self._issuer = issuer
        self._folder = DoorFolder(folder)
        self._names = names
        self._profile = profile
        self._clock = clock
        self._random_bytes = random_bytes

    async def ensure(self) -> Files:
        """Finish what was begun, begin a new certificate where one is due, and say where it lies.

        Raises:
            Refused: a file cannot be read or written, the issuer may not certify these names, or somebody else changed
                the record meanwhile. What was in use before can be used on.
            StoreUnavailable: the same call can be made again.
        """
        door = self._folder.door(self._random_bytes)
        text = await read_door(self._store, door)
        held = _read(text)
        if why := await self._why_new(held):
            held = await self._begin(door, text, why)
        assert held is not None  # noqa: S101  without one there is a reason for a new one
        chain = await self._finish(door, held)
        files = self._folder.files(held.intent.serial)
        if not files.chain.exists():
            write_new(files.chain, chain.encode(), 0o644)
        self._folder.tidy(files)
        return files

    async def _why_new(self, held: _Held | None) -> str:
        if held is None:
            return "there is none"
        record, intent = held.record, held.intent
        if why := why_due(intent, record.made, self._names(), self._issuer, int(self._clock())):
            return why
        key = self._folder.files(intent.serial).key
        if not record.recorded and intent.not_before < self._issuer.not_before:
            return "it was never signed, and the issuer has another certificate"
        if not key.exists():
            return "its key is not here"
        if public_bytes(keys.load(key).public_key()) != intent.spki:
            return "its key is another"
        if record.recorded:
            found = await read_certificate(self._store, intent.serial)
            if found is None:
                return "it is not on record any more"
            if found.revoked:
                return "it was revoked"
        return ""

    async def _begin(self, door: str, before: bytes, why: str) -> _Held:
        """Make key and intent, and put both on disk; the key first, so that an intent without its key means a loss."""
        key = keys.generate(keys.DEFAULT_KEY_TYPE)
        spki, now = public_bytes(key.public_key()), int(self._clock())
        # There is no request: its key stands in the place of one.
        request = CheckedCsr(der=spki, spki_der=spki, key_type=keys.DEFAULT_KEY_TYPE.value)
        intent = make_intent(self._names(), request, self._profile(), self._issuer, now, self._random_bytes)
        keys.save(self._folder.files(intent.serial).key, key)
        record = DoorCertificate(intent=intent.to_json(), made=now)
        if not await write_intent(self._store, door, before, record.to_json()):
            raise _changed()
        log.info("door.certificate_due", serial=intent.serial, names=list(intent.names), why=why)
        return _Held(record.to_json(), record, intent)

    async def _finish(self, door: str, held: _Held) -> str:
        """The chain; where it is not on record yet it is signed and put there."""
        intent = held.intent
        if held.record.recorded:
            found = await read_certificate(self._store, intent.serial)
            if found is None:
                raise _changed()
            return found.pem
        record = await certify(intent, self._issuer)
        after = replace(held.record, recorded=True).to_json()
        if not await write_certificate(self._store, door, held.text, after, record):
            raise _changed()
        log.info("door.certificate_issued", serial=intent.serial, not_after=intent.not_after)
        return record.pem


async def keep_own_certificate(own: OwnCertificate, tls: ServerTls, pause: Callable[[float], Awaitable[None]]) -> None:
    """Renew the certificate whenever it is due, and give it to new connections; `pause` may end early, for a look."""
    loaded: Files | None = None
    while True:
        loaded = await refresh(own, tls, loaded)
        await pause(LOOK)


async def refresh(own: OwnCertificate, tls: ServerTls, loaded: Files | None) -> Files | None:
    """One look: what `tls` has loaded afterwards. A failure is logged, and what was loaded stays."""
    try:
        files = await own.ensure()
        if files != loaded:
            tls.load(files.chain, files.key)
    except StoreUnavailable:
        return loaded  # the committer reports the outage; the next look comes
    except (Refused, OSError) as error:
        log.error("door.certificate_failed", why=str(error))  # noqa: TRY400  a condition, not a fault of ours
        return loaded
    except Exception:
        log.exception("door.certificate_failed", why="a fault of the program")
        return loaded
    return files


def _read(text: bytes) -> _Held | None:
    """A record that cannot be read is replaced like one that is missing: nothing but the door depends on it."""
    if not text:
        return None
    try:
        record = DoorCertificate.from_json(text)
        return _Held(text, record, Intent.from_json(record.intent))
    except Refused as refused:
        log.error("door.certificate_failed", why=str(refused))  # noqa: TRY400  a condition, not a fault of ours
        return None


def _changed() -> Refused:
    return Refused("serverInternal", "door-certificate", "another process has changed the record; the next look comes")
