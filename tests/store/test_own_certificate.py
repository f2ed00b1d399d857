"""The front door's own certificate: what stands in the store and on disk after each step, and after a crash at each."""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from anyio.lowlevel import checkpoint
from cryptography import x509
from structlog.testing import capture_logs

from stages.ca import hierarchy, keys
from stages.ca.intent import Intent
from stages.ca.issuer import Issuer, make_issuer
from stages.ca.pem import pem
from stages.ca.profiles import Profile
from stages.errors import Refused, StoreUnavailable
from stages.store import moves
from stages.store.certificates import each_certificate, read_certificate
from stages.store.connection import StoreSettings
from stages.store.door import DoorCertificate
from stages.store.store import Store
from supervisor.acme.door_folder import Files
from supervisor.acme.own_certificate import OwnCertificate, own_profile, refresh, why_due
from supervisor.fsck import check
from supervisor.http.tls import ServerTls
from tests.store.world import NOW, World

pytestmark = pytest.mark.anyio

DAY = 86_400
VALIDITY = 90 * DAY
NAMES = ("ca.example", "192.0.2.1")


@pytest.fixture(scope="module")
def root() -> tuple[x509.Certificate, keys.SigningKey]:
    """A root for a year."""
    key = keys.generate("p256")
    return hierarchy.create_root("Test Root", key, 365 * DAY, NOW, secrets.token_bytes), key


@pytest.fixture(scope="module")
def issuers(root: tuple[x509.Certificate, keys.SigningKey]) -> list[Issuer]:
    """Two that could issue, one after the other."""
    found = []
    for number in range(2):
        key = keys.generate("p256")
        made = hierarchy.create_intermediate(f"Issuer {number}", key, *root, 300 * DAY, NOW, secrets.token_bytes)
        found.append(make_issuer(key, [made, root[0]], NOW, issuer_id=f"issuer{number}"))
    return found


class Door:
    """One front door: what it is set to can be changed, and it can be started again."""

    def __init__(self, world: World, issuers: list[Issuer], folder: Path) -> None:
        self.world = world
        self.issuers = issuers
        self.issuer = issuers[0]
        self.folder = folder
        self.names: tuple[str, ...] = NAMES
        self.profile = own_profile(Profile(name="server", validity_seconds=VALIDITY, crl_url="http://ca.example/c.crl"))

    def start(self, store: Store | None = None) -> OwnCertificate:
        """The program starts."""
        return OwnCertificate(
            store or self.world.store,
            self.issuer,
            self.folder,
            lambda: self.names,
            lambda: self.profile,
            self.world.clock,
            secrets.token_bytes,
        )

    async def ensure(self, store: Store | None = None) -> Files:
        """One look of a program that has just started."""
        return await self.start(store).ensure()

    async def record(self) -> DoorCertificate:
        """What stands under the door's id."""
        (text,) = (await self.world.redis.hgetall("door-certificate")).values()
        return DoorCertificate.from_json(text)

    async def forget_signature(self, files: Files) -> None:
        """As it was before the certificate was put on record: after a crash there."""
        serial = files.chain.stem
        record = msgspec.structs.replace(await self.record(), recorded=False)
        (door,) = await self.world.redis.hkeys("door-certificate")
        await self.world.redis.hset("door-certificate", door, record.to_json())
        await self.world.redis.delete(f"certificate:{serial}")
        await self.world.redis.zrem("certificates", serial)
        files.chain.unlink()

    def listed(self) -> set[str]:
        """The files in the folder."""
        return {file.name for file in self.folder.iterdir()}


@pytest.fixture
def door(world: World, issuers: list[Issuer], tmp_path: Path) -> Door:
    """A door that never ran."""
    return Door(world, issuers, tmp_path / "door")


def leaf(files: Files) -> x509.Certificate:
    """The certificate in the file."""
    return x509.load_pem_x509_certificate(files.chain.read_bytes())


def shake_hands(tls: ServerTls, root: x509.Certificate, name: str) -> int:
    """The serial number that a client which trusts `root` and asks for `name` is shown, and believes."""
    trusting = ssl.create_default_context(cadata=pem(root))
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(to_client, to_server, server_hostname=name)
    server = tls().wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    shown = client.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


async def test_a_new_door_gets_a_certificate(door: Door, world: World) -> None:
    """On disk, readable for its owner only, and on record like every other certificate."""
    files = await door.ensure()
    made = leaf(files)
    serial = f"{made.serial_number:x}"
    assert door.listed() == {"id", f"{serial}.pem", f"{serial}.key"}
    assert [path.stat().st_mode & 0o777 for path in (door.folder, files.key)] == [0o700, 0o600]
    record = await read_certificate(world.store, serial)
    assert record is not None
    assert (record.pem, record.names, record.session, record.account, record.delivery) == (
        files.chain.read_text(),
        NAMES,
        "",
        "",
        "confirmed",
    )
    assert (
        await world.redis.zscore("certificates", serial) == made.not_valid_after_utc.timestamp() == NOW + 90 * DAY - 1
    )
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]
    assert made.extensions.get_extension_for_class(x509.CRLDistributionPoints)


async def test_clients_believe_it_by_every_name(door: Door, world: World) -> None:
    """They trust the root alone; the chain brings the rest. A new one is swapped in under way."""
    # OpenSSL goes by the system's clock.
    began = int(time.time()) - 61 * DAY
    key, root_key = keys.generate("p256"), keys.generate("p256")
    root = hierarchy.create_root("Root", root_key, 365 * DAY, began, secrets.token_bytes)
    made = hierarchy.create_intermediate("Issuer", key, root, root_key, 300 * DAY, began, secrets.token_bytes)
    door.issuer, world.clock.now = make_issuer(key, [made, root], began), began
    files = await door.ensure()
    tls, own = ServerTls(files.chain, files.key), door.start()
    context = tls()
    assert {leaf(files).serial_number} == {shake_hands(tls, root, name) for name in NAMES}
    assert (await refresh(own, tls, files), tls()) == (files, context)
    world.clock.now = began + 61 * DAY
    renewed = await refresh(own, tls, files)
    assert renewed is not None
    assert renewed != files
    assert {leaf(renewed).serial_number} == {shake_hands(tls, root, name) for name in NAMES}


async def test_a_certificate_that_is_good_is_left_alone(door: Door, world: World) -> None:
    """However often the program starts and looks."""
    files = await door.ensure()
    before = await world.state()
    world.clock.now += 59 * DAY
    assert [files] * 2 == [await door.ensure(), await door.ensure()]
    assert before == await world.state()


def _names(door: Door) -> None:
    door.names = ("other.example",)


def _issuer(door: Door) -> None:
    door.issuer = door.issuers[1]


def _time(door: Door) -> None:
    door.world.clock.now += 60 * DAY


def _key_gone(door: Door) -> None:
    for file in door.folder.glob("*.key"):
        file.unlink()


def _key_other(door: Door) -> None:
    for file in door.folder.glob("*.key"):
        file.unlink()
        keys.save(file, keys.generate("p256"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_names, "its names have changed"),
        (_issuer, "the issuer has changed"),
        (_time, "two thirds of its validity are over"),
        (_key_gone, "its key is not here"),
        (_key_other, "its key is another"),
    ],
)
async def test_a_change_asks_for_a_new_certificate(door: Door, world: World, change: Any, why: str) -> None:
    """With a new key; the old one stays on record, its files go."""
    old = await door.ensure()
    change(door)
    with capture_logs() as logs:
        new = await door.ensure()
    assert [why, "door.certificate_issued"] == [logs[0]["why"], logs[1]["event"]]
    assert door.listed() == {"id", new.chain.name, new.key.name}
    assert {old.chain.stem, new.chain.stem} == {found.serial async for found in each_certificate(world.store)}
    assert new == await door.ensure()


async def test_a_revoked_certificate_is_replaced(door: Door, world: World) -> None:
    """The operator revokes it like every other."""
    old = await door.ensure()
    assert await world.client(moves.revoke(old.chain.stem, 1, NOW)) == ["ok"]
    assert old != await door.ensure()


async def test_a_certificate_that_lives_as_long_as_its_issuer_is_kept(door: Door, world: World) -> None:
    """A new one would end at the same moment; towards the end there would be one at every look."""
    world.clock.now += 290 * DAY
    files = await door.ensure()
    world.clock.now += 9 * DAY
    assert files == await door.ensure()


async def test_a_crash_before_the_intent_leaves_a_key_that_is_removed(door: Door) -> None:
    """Nothing was certified with it."""
    door.folder.mkdir(mode=0o700)
    keys.save(door.folder / "2a.key", keys.generate("p256"))
    files = await door.ensure()
    assert door.listed() == {"id", files.chain.name, files.key.name}


async def test_a_crash_after_the_intent_gives_the_same_bytes(door: Door, world: World) -> None:
    """Whether it was signed already or not: signing is a function of the intent."""
    files = await door.ensure()
    whole, chain = await world.state(), files.chain.read_bytes()
    await door.forget_signature(files)
    world.clock.now += DAY
    door.profile = msgspec.structs.replace(door.profile, validity_seconds=DAY)
    assert files == await door.ensure()
    assert (whole, chain) == (await world.state(), files.chain.read_bytes())


async def test_a_crash_before_the_chain_is_on_disk_writes_it(door: Door, world: World) -> None:
    """From the record."""
    files = await door.ensure()
    whole, chain = await world.state(), files.chain.read_bytes()
    files.chain.unlink()
    assert files == await door.ensure()
    assert (whole, chain) == (await world.state(), files.chain.read_bytes())


async def test_an_intent_of_another_issuer_is_given_up(door: Door, world: World) -> None:
    """Nobody has what may have been signed for it; the new issuer cannot sign it."""
    files = await door.ensure()
    await door.forget_signature(files)
    door.issuer = door.issuers[1]
    new = await door.ensure()
    assert {new.chain.stem} == {found.serial async for found in each_certificate(world.store)}
    assert leaf(new).issuer == door.issuer.certificate.subject


async def test_an_intent_from_before_the_issuers_new_certificate_is_given_up(
    door: Door, world: World, root: tuple[x509.Certificate, keys.SigningKey]
) -> None:
    """The same key, a later certificate: what was never on record would begin before its issuer; what was is kept."""
    files, old = await door.ensure(), door.issuer
    later = NOW + DAY
    made = hierarchy.create_intermediate("Issuer 0", old.key, *root, 300 * DAY, later, secrets.token_bytes)
    door.issuer = make_issuer(old.key, [made, root[0]], later, issuer_id=old.id)
    world.clock.now = later
    assert files == await door.ensure()
    await door.forget_signature(files)
    new = await door.ensure()
    assert {new.chain.stem} == {found.serial async for found in each_certificate(world.store)}
    assert leaf(new).not_valid_before_utc >= made.not_valid_before_utc


class Faulty(Store):
    """A store of which the reply to one script call gets lost."""

    def __init__(self, world: World, lost: int) -> None:
        super().__init__(StoreSettings(url=world.store.settings.url), world.clock)
        self._calls = count()
        self._lost = lost

    async def script(self, name: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run it; one reply gets lost."""
        answer = await super().script(name, keys, args)
        if next(self._calls) == self._lost:
            raise StoreUnavailable("store: lost")
        return answer


@pytest.mark.parametrize("lost", [0, 1])
async def test_a_lost_reply_makes_no_second_certificate(door: Door, world: World, lost: int) -> None:
    """Of the intent, and of the record."""
    store = Faulty(world, lost)
    try:
        with pytest.raises(StoreUnavailable):
            await door.ensure(store)
        files = await door.ensure(store)
    finally:
        await store.aclose()
    assert [files.chain.stem] == [found.serial async for found in each_certificate(world.store)]
    assert (await door.record()).recorded
    assert Intent.from_json((await door.record()).intent).serial == files.chain.stem


async def test_fsck_knows_it_as_a_whole_certificate(door: Door, world: World, tmp_path: Path) -> None:
    """On record, in the index, without a session: no law is broken, also with a second one."""
    await door.ensure()
    _names(door)
    await door.ensure()
    report = await check(world.store, tmp_path / "crl.pem", VALIDITY, checkpoint)
    assert (report.certificates, report.breaches) == (2, ())


async def test_two_doors_of_one_store_leave_each_other_alone(
    door: Door, world: World, issuers: list[Issuer], tmp_path: Path
) -> None:
    """Each has its own key, which never leaves its machine."""
    other = Door(world, issuers, tmp_path / "other")
    files = [await door.ensure(), await other.ensure()]
    assert files == [await door.ensure(), await other.ensure()]
    assert len(await world.redis.hkeys("door-certificate")) == 2


async def test_a_record_that_cannot_be_read_is_replaced(door: Door, world: World) -> None:
    """The log says so."""
    await door.ensure()
    (name,) = await world.redis.hkeys("door-certificate")
    await world.redis.hset("door-certificate", name, b"\xff{")
    with capture_logs() as logs:
        files = await door.ensure()
    assert [line["event"] for line in logs] == [
        "door.certificate_failed",
        "door.certificate_due",
        "door.certificate_issued",
    ]
    assert files == await door.ensure()


async def test_a_key_that_others_can_read_is_refused(door: Door) -> None:
    """The operator has to look at it; what is loaded goes on."""
    files = await door.ensure()
    tls = ServerTls(files.chain, files.key)
    before = tls()
    files.key.chmod(0o644)
    with pytest.raises(Refused, match="lets others at the key"):
        await door.ensure()
    with capture_logs() as logs:
        assert await refresh(door.start(), tls, files) == files
    assert ([line["event"] for line in logs], tls()) == (["door.certificate_failed"], before)


async def test_names_that_the_issuer_may_not_certify_are_refused(door: Door, world: World) -> None:
    """Before anything is written but a new door's id."""
    key = keys.generate("p256")
    made = hierarchy.create_root("Narrow", key, DAY, NOW, secrets.token_bytes, permitted=["other.example"])
    door.issuer = make_issuer(key, [made], NOW)
    with pytest.raises(Refused, match="outside the name constraints"):
        await door.ensure()
    assert (door.listed(), await world.redis.exists("door-certificate")) == ({"id"}, 0)


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (0, ""),
        (60 * DAY - 1, ""),
        (60 * DAY, "two thirds of its validity are over"),
        (90 * DAY, "it has expired"),
        (-3660, ""),
        (-3661, "its validity has not begun: the clock was set back"),
    ],
)
async def test_two_thirds_are_counted_from_its_making(door: Door, after: int, why: str) -> None:
    """Not from notBefore, which lies before it."""
    await door.ensure()
    record = await door.record()
    intent = Intent.from_json(record.intent)
    assert intent.not_before == NOW - 3600
    assert why_due(intent, record.made, NAMES, door.issuer, NOW + after) == why
