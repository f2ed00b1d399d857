"""What is served of the CRL and of the issuer's certificate."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from cryptography import x509
from structlog.testing import capture_logs

from stages.ca import hierarchy, keys
from stages.ca.crl import build_crl, crl_pem
from stages.ca.issuer import Issuer, make_issuer
from supervisor.acme.publishing import Publisher
from supervisor.http.message import Request, Response

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000
YEAR = 365 * 86_400


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """A root that issues, with an id that has to be quoted in a URL."""
    key = keys.generate("p256")
    root = hierarchy.create_root("Test Root", key, YEAR, NOW, secrets.token_bytes)
    return make_issuer(key, [root], NOW, issuer_id="main ca")


class Desk:
    """A publisher, the file of its CRL and its clock."""

    def __init__(self, issuer: Issuer, folder: Path) -> None:
        self.file = folder / "crl.pem"
        self.now = float(NOW)
        self.issuer = issuer
        self.publisher = Publisher(issuer, lambda: self.file, lambda: self.now)

    def write(self, number: int, *serials: str, der: bool = False) -> bytes:
        """Put a CRL in place, as the program does: whole, and valid for an hour; its DER."""
        made = build_crl(self.issuer, [(serial, NOW, 0) for serial in serials], number, NOW, 3600)
        new = self.file.with_name("new")
        new.write_bytes(made if der else crl_pem(made).encode())
        new.replace(self.file)
        return made

    async def ask(self, path: str, method: str = "GET", **headers: str) -> Response:
        """The answer to one request."""
        return await self.publisher.handle(Request(method, path, "", headers, b"", "192.0.2.1", secure=False))


@pytest.fixture
def desk(issuer: Issuer, tmp_path: Path) -> Desk:
    """A publisher without a CRL yet."""
    return Desk(issuer, tmp_path)


async def test_the_issuers_certificate_is_served_as_der(desk: Desk) -> None:
    """RFC 5280 4.2.2.1, RFC 2585 4.1."""
    answer = await desk.ask("/ca/main%20ca.cer")
    assert x509.load_der_x509_certificate(answer.body) == desk.issuer.certificate
    assert ("Content-Type", "application/pkix-cert") in answer.headers
    assert ("Cache-Control", "max-age=86400") in answer.headers


@pytest.mark.parametrize("der", [False, True])
async def test_the_crl_is_served_as_der_and_no_cache_uses_it_unasked(desk: Desk, *, der: bool) -> None:
    """RFC 5280 4.2.1.13, RFC 2585 4.2; a copy used until its next update would hide revocations."""
    made = desk.write(7, "2a", der=der)
    for method in ("GET", "HEAD"):
        assert await desk.ask("/crl/main%20ca.crl", method) == Response(
            200,
            made,
            [("Content-Type", "application/pkix-crl"), ("Cache-Control", "no-cache"), ("ETag", '"7"')],
        )


async def test_a_new_crl_is_served_from_its_writing_on(desk: Desk) -> None:
    """Whoever wrote it: the answer of a revocation may come before the next request, and no later."""
    for number in range(1, 20):
        made = desk.write(number, *[f"{each:x}" for each in range(1, number)])
        assert (await desk.ask("/crl/main%20ca.crl")).body == made


async def test_a_copy_that_is_the_newest_is_not_sent_again(desk: Desk) -> None:
    """RFC 9110 13.1.2."""
    desk.write(1)
    headers = {"if-none-match": '"1"'}
    assert (await desk.ask("/crl/main%20ca.crl", **headers)).status == 304
    desk.write(2)
    assert (await desk.ask("/crl/main%20ca.crl", **headers)).status == 200


async def test_without_a_crl_there_is_none(desk: Desk) -> None:
    """It comes within moments of the start."""
    with capture_logs() as logs:
        assert (await desk.ask("/crl/main%20ca.crl")).status == 404
    assert logs == []
    desk.write(1)
    assert (await desk.ask("/crl/main%20ca.crl")).status == 200


@pytest.mark.parametrize("damage", ["gone", "words"])
async def test_the_last_good_crl_is_served_where_the_file_is_damaged(desk: Desk, damage: str) -> None:
    """The log says so once; the next good one is served again."""
    made = desk.write(1)
    assert (await desk.ask("/crl/main%20ca.crl")).body == made
    desk.file.unlink()
    if damage == "words":
        desk.file.write_text("no CRL")
    with capture_logs() as logs:
        for _ in range(3):
            assert (await desk.ask("/crl/main%20ca.crl")).body == made
    assert [line["event"] for line in logs] == ["crl.unreadable"]
    made = desk.write(2)
    assert (await desk.ask("/crl/main%20ca.crl")).body == made


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/crl/",
        "/crl/other.crl",
        "/crl/main%20ca.cer",
        "/crl/main%20ca.crl/",
        "/crl/../ca/main%20ca.cer",
        "/ca/main%20ca.crl",
        "/ca/main ca",
        "/acme/directory",
        "*",
    ],
)
async def test_anything_else_is_not_found(desk: Desk, path: str) -> None:
    """One small answer, in words."""
    desk.write(1)
    assert not desk.publisher.has(path)
    assert await desk.ask(path) == Response(404, b"there is nothing here\n", [("Content-Type", "text/plain")])


async def test_nothing_can_be_written(desk: Desk) -> None:
    """RFC 9110 15.5.6: the answer says what can be done."""
    assert desk.publisher.has("/ca/main%20ca.cer")
    answer = await desk.ask("/ca/main%20ca.cer", "POST")
    assert (answer.status, answer.headers[1]) == (405, ("Allow", "GET, HEAD"))
