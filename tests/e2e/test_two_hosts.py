"""Two supervisors that share a store and work both, each with a data directory of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from anyio import to_thread
from cryptography import x509

from tests.e2e.command import Place
from tests.harness.process import Program
from tests.harness.site import site
from tests.harness.valkey import Valkey

pytestmark = pytest.mark.anyio


async def test_what_one_revokes_the_other_publishes(tmp_path: Path) -> None:
    """A revocation on the first host comes into the CRL of the second at its next look, with a number of its own."""
    with Valkey(tmp_path / "valkey") as server:
        async with site(tmp_path / "one", "one_of_several = true\n", url=server.url) as ca:
            other = Place(tmp_path / "two")
            shutil.copytree(tmp_path / "one", other.folder)
            with await ca.start() as first, Program(other.config) as second:
                numbers = [(await to_thread.run_sync(run.wait_for, "crl.written"))["number"] for run in (first, second)]
                assert sorted(numbers) == [1, 2]
                await ca.submit(1)
                await ca.until_done(1)
                [listed] = await to_thread.run_sync(lambda: Place(ca.folder).json("certificates")["certificates"])
                await to_thread.run_sync(lambda: Place(ca.folder).ok("revoke", listed["serial"]))
                await to_thread.run_sync(lambda: other.ok("reload"))  # it looks now, and not within a minute
                written = await to_thread.run_sync(second.wait_for, "crl.written")
                assert (written["entries"], written["number"]) == (1, 4)
                assert await to_thread.run_sync(first.stop) == 0
                assert await to_thread.run_sync(second.stop) == 0
    crl = x509.load_pem_x509_crl((other.data / "ca/crl.pem").read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(int(listed["serial"], 16)) is not None
