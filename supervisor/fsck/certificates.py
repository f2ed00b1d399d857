"""Judges one certificate on record, and the CRL, as they were seen. Pure; for `supervisor.fsck`."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from cryptography import x509

from stages.ca.spki import spki_sha256
from supervisor.fsck.breach import Breach, Mend
from supervisor.fsck.sessions import leaf_names


class CertificateLook(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one serial number.

    Attributes:
        serial: as its key says.
        fields: the hash of the certificate, empty when there is none.
        unreadable: why it cannot be read, "" when it can.
        indexed: its score in the index by expiry, None when it is not there.
        revoked: what the list of revocations says, None when it is not there.
        session_serial: the serial of the session that the certificate names, None when that session is gone.
        twin: another certificate of the same session, "" when there is none.
    """

    serial: str
    fields: dict[str, str] = {}
    unreadable: str = ""
    indexed: float | None = None
    revoked: str | None = None
    session_serial: str | None = None
    twin: str = ""


class CrlLook(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of revocations.

    Attributes:
        revoked: serials on the store's list of revocations.
        counter: the last CRL number that the store has given out.
        number: that of the file, None when there is no file.
        entries: serials of the file, each with the unix time of its revocation.
        problem: why the file cannot be read, "" when it can.
    """

    revoked: frozenset[str]
    counter: int
    number: int | None = None
    entries: dict[str, int] = {}
    problem: str = ""


def judge_certificate(look: CertificateLook) -> list[Breach]:
    """Every law that a certificate on record breaks."""
    where = f"certificate {look.serial}"
    if look.unreadable:
        return [Breach("unreadable", where, look.unreadable)]
    if not look.fields:
        return [Breach(*found) for found in _without_record(look, where)]
    return [*_itself(look, where), *_index(look, where), *_revocation(look, where), *_session(look, where)]


def _without_record(look: CertificateLook, where: str) -> Iterator[tuple[str, str, str]]:
    if look.indexed is not None:
        yield "indexed and not on record", where, "the index by expiry names it"
    if look.revoked is not None:
        yield "revoked and not on record", where, "the list of revocations names it"


def _itself(look: CertificateLook, where: str) -> Iterator[Breach]:
    get = look.fields.get
    try:
        leaf = x509.load_pem_x509_certificate(get("pem", "").encode())
        spki = spki_sha256(leaf)
        names = leaf_names(leaf)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        yield Breach("unreadable", where, "pem: no readable certificate")
        return
    said = {
        "serial": f"{leaf.serial_number:x}",
        "names": ",".join(names),
        "not_before": str(int(leaf.not_valid_before_utc.timestamp())),
        "not_after": str(int(leaf.not_valid_after_utc.timestamp())),
        "spki": spki,
    }
    if wrong := [field for field, value in said.items() if get(field) != value]:
        yield Breach("record against its certificate", where, f"{', '.join(wrong)}: not what the certificate says")
    if said["serial"] != look.serial:
        yield Breach("record against its key", where, f"the certificate's serial number is {said['serial']}")


def _index(look: CertificateLook, where: str) -> Iterator[Breach]:
    if look.indexed is None:
        yield Breach("not in the index", where, "the index by expiry does not know it: it would never be forgotten")
    elif f"{look.indexed:.0f}" != look.fields.get("not_after"):
        yield Breach("index against its record", where, "the index by expiry has another time")


def _revocation(look: CertificateLook, where: str) -> Iterator[Breach]:
    at, reason = look.fields.get("revoked"), look.fields.get("reason")
    listed = f"{at} {reason}" if at is not None else None
    if listed != look.revoked:
        detail = "the record and the list of revocations differ"
        if look.revoked is None:
            detail = "its record says revoked, and the list that the CRL is made from does not have it"
        elif listed is None:
            detail = "the list that the CRL is made from has it, and its record does not say so"
        yield Breach("revocation on one side", where, detail)


def _session(look: CertificateLook, where: str) -> Iterator[Breach]:
    if look.twin:
        yield Breach("two certificates of one session", where, f"{look.twin} is of the same session")
    if look.session_serial is None:
        # Retiring writes `delivery`; a finished session goes after sessions.keep, its certificate stays.
        if "delivery" not in look.fields:
            yield Breach("certificate without session", where, "its session was never finished, and is gone")
    elif look.session_serial != look.serial:
        yield Breach("session has another serial", where, f"its session says {look.session_serial or 'none'}")


def judge_crl(look: CrlLook, now: int, certificates_keep: int) -> list[Breach]:
    """What the CRL lacks, and what it says that the store does not know.

    A revocation leaves the store with its certificate, `certificates_keep` seconds after that expired: an entry that
    was revoked longer ago may be one of those.
    """
    if look.problem:
        return [Breach("crl unreadable", "crl", look.problem, Mend.CRL)]
    if look.number is None:
        if not look.revoked:
            return []
        return [Breach("no crl", "crl", f"{len(look.revoked)} certificates are revoked", Mend.CRL)]
    breaches = [
        Breach("revoked and not in the crl", f"certificate {serial}", "the CRL does not have it", Mend.CRL)
        for serial in sorted(look.revoked - look.entries.keys())
    ]
    breaches += [
        Breach("in the crl and not revoked", f"certificate {serial}", "the store knows of no revocation")
        for serial, at in sorted(look.entries.items())
        if serial not in look.revoked and at > now - certificates_keep
    ]
    if look.counter < look.number:
        detail = f"the file has number {look.number}, the store is at {look.counter}: was it set back?"
        breaches.append(Breach("crl number behind", "crl", detail, Mend.CRL))
    return breaches
