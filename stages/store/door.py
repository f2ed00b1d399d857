"""The front door's own certificate, as the store keeps it: its intent before it is signed, and that it is on record.

Each door (each data_dir) has an entry of its own under `door-certificate`: several supervisors may share a store, and a
key never leaves its machine. `supervisor.acme.own_certificate` is the only user.
"""

from __future__ import annotations

import msgspec

from stages.errors import Refused
from stages.outcome import CertificateRecord
from stages.session import Delivery
from stages.store.store import Store


class DoorCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """What stands under a door's id.

    Attributes:
        intent: JSON of `stages.ca.intent.Intent`, durable before anything is signed.
        made: unix time of the intent.
        recorded: whether the certificate is in the certificate store.
    """

    intent: str
    made: int
    recorded: bool = False

    def to_json(self) -> bytes:
        """The text that is kept; the same record always gives the same text."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, text: bytes) -> DoorCertificate:
        """Read what `to_json` wrote; raises Refused("serverInternal", "door-certificate", ...) for anything else."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError:
            raise Refused("serverInternal", "door-certificate", "the record cannot be read") from None


async def read_door(store: Store, door: str) -> bytes:
    """What stands under a door's id, as it stands there; b"" for nothing."""
    found: bytes | None = await store.call(store.redis.hget(store.keys.door, door))
    return found or b""


async def write_intent(store: Store, door: str, before: bytes, after: bytes) -> bool:
    """Put an intent down in place of `before`; False when something else stands there."""
    return bool(await store.script("door.lua", [store.keys.door], [door, before, after]))


async def write_certificate(store: Store, door: str, before: bytes, after: bytes, record: CertificateRecord) -> bool:
    """Put the certificate on record like every other, in the same step; False when something else stands there.

    It counts as delivered: it was made by who uses it.
    """
    fields = {**msgspec.structs.asdict(record), "delivery": Delivery.CONFIRMED.value}
    flat = [str(text) for pair in fields.items() for text in pair]
    keys = [store.keys.door, store.keys.certificates, store.keys.certificate(record.serial)]
    args = [door, before, after, record.serial, record.not_after, *flat]
    return bool(await store.script("door.lua", keys, args))
