"""Looks whether the laws of the design hold for what a torture has left. `Breach` says which did not, with a story.

1 every session that a client was told of is there, at its end, once; 2 no queue, delayed set or in-flight list holds
anything; 3 one serial and one certificate for a session, and each step in its story once; 4 no certificate without
proof; 5 every certificate that was ever signed is on record, and its intent gives the same bytes; 6 what clients and
operators were told is so; 7 CRL numbers only rise, and the CRL knows every revocation; 8 the program's own recovery
would change nothing; 9 no run said anything that it should not.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection
from itertools import pairwise

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from benchmarks.torturing.clients import KINDS, Told
from benchmarks.torturing.scene import Breach, Scene, issuer_of
from stages.ca.certificate import sign
from stages.ca.intent import Intent
from stages.ca.issuer import Issuer
from stages.proofs import unproven
from stages.session import Session
from stages.store.certificates import Certificate, each_certificate, revocations
from stages.store.reading import overview, read_whole
from stages.store.scanning import Scanner
from stages.store.store import Store
from supervisor.recovery.decide import Limits
from supervisor.recovery.scan import Recovery
from supervisor.upkeep.crl import crl_lacks, read_crl
from tests.harness.site import is_at_rest

LAWS = 9
_STEP = re.compile(r"^\d+ (makechallenge >|testchallenge >|issue >|rejected|retired|serial)", re.MULTILINE)
"""A line of a story that may stand there once."""


class Counted(msgspec.Struct):
    """What was looked at."""

    sessions: int = 0
    certificates: int = 0
    signatures: int = 0


async def audit(
    scene: Scene, *, store: Store | None = None, lied: bool = False, errors: Collection[str] = ()
) -> Counted:
    """Look at everything. `lied` is for a disk that has lost what it had promised: then nothing that was told counts.

    `errors` are the error events that may stand in the logs.
    """
    store = store or scene.store
    found = await overview(store)
    if not is_at_rest(found) or found.quarantined:
        raise Breach(f"law 2: something is left over: {found}", scene.program.log())
    issuer = issuer_of(scene.data)
    records = {record.serial: record async for record in each_certificate(store)}
    by_session = Counter(record.session for record in records.values())
    active = Counter(entry.decode() for entry in await store.call(store.redis.lrange(store.keys.active, 0, -1)))
    for session, told in scene.clients.told.items():
        whole = await read_whole(store, session)
        if whole is None:
            raise Breach(f"law 1: session {session} ({told.kind}) is lost", told.end)
        _judge(whole, told, active[session], by_session[session], lied=lied)
        if whole.serial:
            if whole.serial not in records:
                raise Breach(f"law 5: serial {whole.serial} is not on record", whole.story)
            _judge_certificate(whole, records[whole.serial], issuer)
    strangers = (set(active) | set(by_session)) - set(scene.clients.told)
    if strangers:
        raise Breach(f"law 1: nobody has asked for {sorted(strangers)[:3]}")
    signed = _signed(scene, records, lied=lied)
    if not lied:
        _judge_logs(scene, records)
    await _judge_crl(scene, store)
    await _judge_recovery(store)
    _judge_runs(scene, errors)
    return Counted(len(scene.clients.told), len(records), signed)


def _judge(session: Session, told: Told, active: int, certificates: int, *, lied: bool) -> None:
    end = KINDS[told.kind].end
    really = "done" if session.live else ("retired" if session.cert else "rejected")
    if really != end or (session.live and session.state != "done"):
        state = f"{session.state}, live {session.live}"
        raise Breach(f"law 1: session {session.id} ({told.kind}) has come to {state}, not to {end}", session.story)
    if session.live and active != 1:
        raise Breach(f"law 1: session {session.id} stands {active} times in active-requests", session.story)
    if certificates != (end != "rejected"):
        raise Breach(f"law 3: session {session.id} has {certificates} certificates", session.story)
    twice = [step for step, n in Counter(_STEP.findall(session.story)).items() if n > 1]
    if twice and "...\n" not in session.story:
        raise Breach(f"law 3: session {session.id} was moved twice: {twice}", session.story)
    if lied:
        return
    unready = [c.n for c in session.challenges if c.n in told.ready and not c.data.ready]
    if unready or (told.finalized and not session.csr) or (told.end and told.end != end):
        raise Breach(f"law 6: session {session.id} has forgotten what its client was told: {told}", session.story)
    if told.certificate not in {"", session.cert}:
        raise Breach(f"law 6: session {session.id}: its client has another certificate", session.story)


def _judge_certificate(session: Session, record: Certificate, issuer: Issuer) -> None:
    intent = Intent.from_json(session.intent)
    leaf = x509.load_pem_x509_certificate(record.pem.encode())
    serials = {session.serial, intent.serial, record.serial, f"{leaf.serial_number:x}"}
    if len(serials) != 1 or record.session != session.id or record.pem != session.cert:
        raise Breach(f"law 3: session {session.id} has two serials or certificates: {sorted(serials)}", session.story)
    if unproven(session):
        raise Breach(f"law 4: session {session.id} has a certificate without proof", session.story)
    if sign(intent, issuer) != leaf.public_bytes(Encoding.DER):
        raise Breach(f"law 5: session {session.id}: its intent gives other bytes", session.story)


def _signed(scene: Scene, records: dict[str, Certificate], *, lied: bool) -> int:
    """Each line of the file is a signature that was made, also in runs that were killed a moment later."""
    lines = scene.signed.read_text().splitlines() if scene.signed.exists() else []
    by_serial: dict[str, set[str]] = {}
    for line in lines:
        serial, digest = line.split()
        by_serial.setdefault(serial, set()).add(digest)
    for serial, digests in by_serial.items():
        if len(digests) > 1:
            raise Breach(f"law 5: serial {serial} was signed with different bytes")
        if serial not in records:
            if lied:
                continue
            raise Breach(f"law 5: serial {serial} was signed and is not on record")
        leaf = x509.load_pem_x509_certificate(records[serial].pem.encode())
        if digests != {hashlib.sha256(leaf.public_bytes(Encoding.DER)).hexdigest()}:
            raise Breach(f"law 5: serial {serial}: the certificate on record is not the one that was signed")
    return len(lines)


def _judge_logs(scene: Scene, records: dict[str, Certificate]) -> None:
    for run in scene.runs:
        for event in run.named("certificate.issued"):
            record = records.get(event["serial"])
            if record is None or record.session != event["session"]:
                raise Breach(f"law 6: the log says that {event['serial']} was issued; it is not on record", run.log())


async def _judge_crl(scene: Scene, store: Store) -> None:
    numbers = [event["number"] for run in scene.runs for event in run.named("crl.written")]
    numbers = sorted([*numbers, *scene.crl_numbers]) if scene.crl_numbers else numbers
    if any(b <= a for a, b in pairwise(numbers)):
        raise Breach(f"law 7: CRL numbers do not rise: {numbers}")
    file = scene.data / "ca" / "crl.pem"
    published = read_crl(file)
    if numbers and published.number < numbers[-1]:
        raise Breach(f"law 7: the CRL has number {published.number}, and {numbers[-1]} was written before")
    revoked = {serial for serial, _, _ in await revocations(store)}
    if not revoked >= scene.clients.revoked or crl_lacks(file, revoked | scene.clients.revoked):
        raise Breach(f"law 7: the CRL or the store lacks a revocation: {revoked}, {sorted(published.serials)}")


async def _judge_recovery(store: Store) -> None:
    year = 365 * 86400
    limits = Limits(year, year, year)
    report = await Recovery(
        Scanner(store), None, limits=limits, batch=500, keep=year, now=int(store.clock()), judged=lambda *_: None
    ).run()
    wrong = {row: n for row, n in report.rows.items() if row not in _FINE}
    if wrong:
        raise Breach(f"law 8: recovery would still find {wrong}")


_FINE = frozenset({"where it belongs", "waiting for its client", "dead", "gone"})


def _judge_runs(scene: Scene, errors: Collection[str]) -> None:
    for run in scene.runs:
        bad = [event for event in run.events if event["level"] == "error" and event["event"] not in errors]
        if bad or run.other:
            raise Breach(f"law 9: a run said {(bad or run.other)[0]!s:.500}", run.log())
