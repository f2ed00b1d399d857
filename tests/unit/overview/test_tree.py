import secrets
from pathlib import Path

import pytest
from cryptography import x509

from stages.ca import hierarchy, keys
from stages.ca.pem import pem
from supervisor.config import load
from supervisor.overview.parts import Authority
from supervisor.overview.tree import Files, read_tree
from tests.harness.authority import make_authority

NOW = 1_800_000_000
YEAR = 365 * 86_400


def authority(folder: Path) -> Path:
    return make_authority(folder, '[ca]\nalternate_chains = ["ca/other.pem"]\n')


def other_chain(folder: Path) -> None:
    """Another root signs the intermediate's key."""
    ca = folder / "data" / "ca"
    key, root_key = keys.load(ca / "intermediate.key"), keys.generate("p384")
    root = hierarchy.create_root("Other Root", root_key, 10 * YEAR, NOW, secrets.token_bytes)
    cross = hierarchy.create_intermediate("Test Intermediate", key, root, root_key, YEAR, NOW, secrets.token_bytes)
    (ca / "other.pem").write_text(pem(cross) + pem(root))


def told(chain: tuple[Authority, ...]) -> list[tuple[str, str, str]]:
    return [(each.role, each.subject, each.key) for each in chain]


@pytest.mark.anyio
async def test_tree_has_each_chain_from_its_root_down(tmp_path: Path) -> None:
    """The chain for clients first, then the alternates, whatever the order in their files."""
    settings = load(authority(tmp_path), {})
    other_chain(tmp_path)
    found = await read_tree(settings, Files())
    assert [told(chain) for chain in found.chains] == [
        [("root", "CN=Test Root", "EC secp256r1"), ("intermediate", "CN=Test Intermediate", "EC secp256r1")],
        [("root", "CN=Other Root", "EC secp384r1"), ("intermediate", "CN=Test Intermediate", "EC secp256r1")],
    ]
    assert found.problems == ()
    assert found.crl.problem == "there is none yet"


@pytest.mark.anyio
async def test_tree_tells_what_cannot_be_read_and_reads_again_what_has_changed(tmp_path: Path) -> None:
    """A missing or broken file is a problem that names it; once mended, it is there."""
    settings, files = load(authority(tmp_path), {}), Files()
    [problem] = (await read_tree(settings, files)).problems
    assert "other.pem" in problem
    other_chain(tmp_path)
    (tmp_path / "data/ca/crl.pem").write_text("no CRL")
    mended = await read_tree(settings, files)
    assert (len(mended.chains), mended.problems) == (2, ())
    assert mended.crl.problem == "it is no readable CRL with a number; move it away"


@pytest.mark.anyio
async def test_files_are_read_once(tmp_path: Path) -> None:
    """What is the same file is the same object: a large CRL is not read at each look."""
    settings, files = load(make_authority(tmp_path), {}), Files()
    first, second = await read_tree(settings, files), await read_tree(settings, files)
    assert first.chains[0][0] is second.chains[0][0]
    [root] = x509.load_pem_x509_certificates((tmp_path / "data/ca/root.pem").read_bytes())
    assert bytes.fromhex(first.chains[0][0].fingerprint) == root.fingerprint(root.signature_hash_algorithm)  # type: ignore[arg-type]  # SHA-256
