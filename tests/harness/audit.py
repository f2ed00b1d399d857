"""Looks at a store after a test: is every session where it belongs, with one serial number and one certificate."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from stages.ca.certificate import sign
from stages.ca.intent import Intent
from stages.ca.issuer import Issuer, load_issuer
from stages.session import Session, State
from stages.store.certificates import Certificate, each_certificate
from stages.store.reading import each_session, overview, read_whole
from stages.store.records import Garbled
from tests.harness.process import Program
from tests.harness.site import Site, is_at_rest


async def audit_done(site: Site, sessions: Iterable[str], runs: Iterable[Program], dead: Collection[str] = ()) -> None:
    """Every session of `sessions`, and none beside them, is done and waits for its client, with one certificate.

    `runs` are all runs of the program: what they logged as issued must be on record. `dead` are sessions that ended
    before they had a certificate.
    """
    expected = set(sessions)
    found = await overview(site.store)
    assert is_at_rest(found), found
    assert found.quarantined == 0
    every = [session async for session in each_session(site.store)]
    live = [session for session in every if isinstance(session, Garbled) or session.live or session.id not in dead]
    assert not any(isinstance(session, Session) and session.serial for session in every if session not in live)
    assert {session.id if isinstance(session, Session) else session.session for session in live} == expected
    assert len(live) == len(expected), "a session stands twice in active-requests"
    records = [certificate async for certificate in each_certificate(site.store)]
    by_session = {record.session: record for record in records}
    assert len(records) == len(by_session) == len(expected), "a session has two certificates"
    issuer = load_issuer(
        site.folder / "data/ca/intermediate.pem",
        site.folder / "data/ca/intermediate.key",
        records[0].not_before,
        chain_files=[site.folder / "data/ca/root.pem"],
        issuer_id="main",
    )
    for session in live:
        assert not isinstance(session, Garbled)
        _audit_session(session, by_session[session.id], issuer)
    for record in records[:3]:
        whole = await read_whole(site.store, record.session)
        assert whole is not None
        assert any(challenge.satisfied for challenge in whole.challenges)
    logged = {(event["session"], event["serial"]) for run in runs for event in run.named("certificate.issued")}
    assert logged <= {(record.session, record.serial) for record in records}, (
        "a serial that was logged is not on record"
    )
    openssl_verifies(site.folder, records)


def _audit_session(session: Session, record: Certificate, issuer: Issuer) -> None:
    assert session.live
    assert session.state is State.DONE
    assert session.waiting > session.created
    intent = Intent.from_json(session.intent)
    assert session.serial == intent.serial == record.serial
    assert session.cert == record.pem
    leaf = x509.load_pem_x509_certificate(record.pem.encode())
    assert f"{leaf.serial_number:x}" == record.serial
    assert sign(intent, issuer) == leaf.public_bytes(Encoding.DER)
    reserved = [line for line in session.story.splitlines() if line.endswith("reserved")]
    assert len(reserved) == 1, session.story


def openssl_verifies(folder: Path, records: Iterable[Certificate]) -> None:
    """`openssl verify` accepts each certificate under the root."""
    files = []
    for record in records:
        path = folder / f"{record.serial}.pem"
        path.write_text(record.pem)
        files.append(str(path))
    ca = folder / "data/ca"
    command = ["openssl", "verify", "-CAfile", str(ca / "root.pem"), "-untrusted", str(ca / "intermediate.pem")]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stdout.count(": OK") == len(files)
