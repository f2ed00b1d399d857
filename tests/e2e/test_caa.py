"""CAA through the whole program: a session whose names' owners forbid, permit, or cannot be asked."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from anyio import to_thread
from cryptography.hazmat.primitives.asymmetric import ec

from stages.ca.csr import thumbprint
from stages.session import Problem, Session
from stages.store import moves
from stages.store.reading import read_whole
from tests.e2e.challenges.peers import Zone, nameserver
from tests.harness.authority import make_csr
from tests.harness.process import Program
from tests.harness.site import Site, site

pytestmark = pytest.mark.anyio

CAA = '[caa]\ncheck = true\nidentities = ["ca.example"]\n'


async def look(ca: Site, session: str) -> Session:
    """What is on record of a session."""
    found = await read_whole(ca.store, session)
    assert found is not None
    return found


@pytest.mark.parametrize("tries", [1, 5])
async def test_the_owners_of_the_names_are_asked_before_anything_is_reserved(tmp_path: Path, tries: int) -> None:
    """Forbidden: rejected, with whose records they were. Permitted: issued. Unknown: tried again, and then rejected."""
    here = ["127.0.0.1"]
    zone: Zone = {
        ("no.example.", "A"): here,
        ("no.example.", "CAA"): ['0 issue "other.test"'],
        ("yes.example.", "A"): here,
        ("yes.example.", "CAA"): ['0 issue "ca.example; validationmethods=http-01"'],
        ("down.example.", "A"): here,
        ("down.example.", "CAA"): "SERVFAIL",
    }
    async with nameserver(zone) as dns, site(tmp_path, CAA) as ca:
        environ = {
            "CA_SUPERVISOR__VALIDATION__RESOLVER": f"127.0.0.1:{dns.port}",
            "CA_SUPERVISOR__QUEUES__ISSUE__MAX_ATTEMPTS": str(tries),
        }
        with Program(ca.config, environ) as program:
            await to_thread.run_sync(program.wait_for, "supervisor.ready")
            ids = {}
            for number, name in enumerate(("no.example", "yes.example", "down.example")):
                ids[name] = f"{number:064x}"
                csr = make_csr(ec.generate_private_key(ec.SECP256R1()), [name])
                fields = {"csr": csr, "thumbprint": thumbprint(ca.csr), "scheduled": "True"}
                await ca.store.group([moves.submit(ids[name], [name], fields, int(time.time()))], announce=True)
            again, rejected = (0, 2) if tries == 1 else (1, 1)
            await ca.until(
                lambda found: (found.certificates, found.rejected, found.delayed["issue"]) == (1, rejected, again)
            )
            no, yes, down = [await look(ca, ids[name]) for name in ids]
    assert not no.live
    why = "none of the 1 issue records names this CA (ca.example)"
    detail = f"no.example: the CAA records of no.example forbid the certificate: {why}"
    assert (no.error, no.intent) == (Problem("caa", detail), "")
    assert yes.cert
    unknown = f"the CAA records could not be looked up: DNS lookup of down.example at 127.0.0.1:{dns.port} failed: "
    unknown += f"127.0.0.1:{dns.port} answered SERVFAIL"
    assert (down.live, down.intent) == (tries > 1, "")
    assert down.error == (Problem("dns", f"gave up after 1 attempts: {unknown}") if tries == 1 else None)
    assert unknown in down.story
