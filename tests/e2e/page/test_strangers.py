"""What a client can write is text on the page, whatever it looks like: nothing of it runs, loads or turns around."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from stages.session import ChallengeData, Hop, Problem, ValidationRecord
from stages.store.records import encode_data, encode_problem
from tests.e2e.page.seen import Seen, seen

SCRIPT = "<script>window.ran='script'</script>"
IMAGE = '"><img src=x onerror="window.ran=\'image\'">'
LINK = "javascript:window.ran='link'"
FRAME = "</td><iframe srcdoc='<script>parent.ran=1</script>'></iframe>"
TURNED = "\u202egnp.exe\u0007"
SEEN = "\\u202egnp.exe\\u0007"
ACCOUNT = "A" * 22
ATTACKS = (SCRIPT, IMAGE, LINK, FRAME)
SUBJECT = x509.Name(
    [x509.NameAttribute(NameOID.ORGANIZATION_NAME, SCRIPT), x509.NameAttribute(NameOID.LOCALITY_NAME, IMAGE)]
)

FOREIGN = 'document.querySelectorAll("body img, body iframe, body script, body object, body embed, body style").length'
LINKS = """[...document.querySelectorAll("[href], [src]")].map((each) =>
  each.getAttribute("href") ?? each.getAttribute("src"))"""
HANDLERS = """[...document.querySelectorAll("*")].filter((each) =>
  [...each.attributes].some((attribute) => attribute.name.startsWith("on"))).length"""


def csr() -> str:
    """A CSR whose subject is an attack; its names are those that it is asked for."""
    key = ec.generate_private_key(ec.SECP256R1())
    alternative = x509.SubjectAlternativeName([x509.DNSName("a.example")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(SUBJECT).add_extension(alternative, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


async def hostile(at: Seen) -> str:
    """A session whose every text is a client's worst; more than the store's moves would take."""
    redis: Any = at.ca.store.redis
    keys, session, now = at.ca.store.keys, "ab" * 32, int(time.time())
    hops = (Hop(target=f"http://a.example/{SCRIPT}", addresses=(IMAGE,), used=LINK, seen=f"redirect to {LINK}"),)
    error = Problem("dns", f"a.example has the TXT record {IMAGE} {TURNED}")
    attempt = ValidationRecord(at=now, took=7, ok=False, hops=hops, error=error)
    data = ChallengeData(token="t" * 43, ready=now, attempts=(attempt,), error=error)
    pipe = redis.pipeline(transaction=True)
    pipe.hset(
        keys.session(session),
        mapping={
            "created": now, "live": "False", "state": "testchallenge", "challenges": 1, "csr": csr(), "cert": "",
            "schema": 1, "account": ACCOUNT, "profile": SCRIPT, "serial": "",
            "error": encode_problem(Problem(FRAME, f"rejected because {SCRIPT} {IMAGE}")),
            "story": f"{now} submitted with {SCRIPT}\n{now} {FRAME}\n{LINK}\n",
        },
    )  # fmt: skip
    pipe.rpush(keys.names(session), SCRIPT, IMAGE, LINK)
    pipe.hset(
        keys.challenge(session, 1),
        mapping={
            "challtime": now, "type": 5, "name": SCRIPT, "satisfied": "False", "failed": "True",
            "data": encode_data(data),
        },
    )  # fmt: skip
    pipe.lpush(keys.active, session)
    contact = msgspec.json.encode([f"mailto:{IMAGE}", LINK, f"mailto:{TURNED}@a.example"]).decode()
    account = {
        "created": now,
        "status": "valid",
        "jwk": "{}",
        "thumbprint": "x" * 43,
        "contact": contact,
    }
    pipe.hset(keys.account(ACCOUNT), mapping=account)
    serial = "12" * 16
    record = {
        "serial": serial, "issuer": SCRIPT, "names": f"{SCRIPT},{IMAGE}", "pem": "", "not_before": now,
        "not_after": now + 86_400, "account": ACCOUNT, "session": session, "spki": "",
    }  # fmt: skip
    pipe.hset(keys.certificate(serial), mapping=record)
    pipe.zadd(keys.certificates, {serial: now + 86_400})
    await pipe.execute()
    return session


@pytest.mark.anyio
async def test_strangers_texts_are_only_text(tmp_path: Path) -> None:
    """Scripts, images, frames and links in every field a client controls show as they are written, and do nothing."""
    async with seen(tmp_path) as at:
        session = await hostile(at)
        await at.page.until('document.querySelectorAll("#session-rows tr").length === 1')
        await at.page.until('document.querySelectorAll("#certificate-rows tr").length === 1')
        rows = await at.page.evaluate('document.getElementById("session-rows").textContent')
        assert f"{SCRIPT}, {IMAGE} +1" in rows
        assert f"{FRAME}: rejected because {SCRIPT} {IMAGE}" in rows
        assert SCRIPT in await at.page.evaluate('document.getElementById("certificate-rows").textContent')
        await at.page.until('Boolean(document.querySelector("#attention .why"))')
        assert SCRIPT in await at.page.evaluate('document.getElementById("attention").textContent')
        await at.page.evaluate('document.querySelector("#session-rows button").click()')
        await at.page.until('Boolean(document.querySelector("#detail .challenge"))')
        told = str(await at.page.evaluate('document.getElementById("detail-body").textContent'))
        for text in (*ATTACKS, session, SEEN, SUBJECT.rfc4514_string(), f"mailto:{IMAGE}", f"redirect to {LINK}"):
            assert text in told
        assert "\u202e" not in told
        assert await at.page.evaluate("window.ran === undefined")
        assert await at.page.evaluate(FOREIGN) == 0
        assert await at.page.evaluate(HANDLERS) == 0
        assert all(link.startswith(("#", "/page/")) for link in await at.page.evaluate(LINKS))


@pytest.mark.anyio
async def test_the_page_could_not_run_them_either(tmp_path: Path) -> None:
    """Where a fault of ours put a text in as HTML the browser would refuse: no string is HTML, no script inline."""
    async with seen(tmp_path) as at:
        refused = """((write) => { try { write(); return "written"; } catch (error) { return error.name; } })"""
        assert await at.page.evaluate(f"{refused}(() => {{ document.body.innerHTML = '<b>x</b>'; }})") == "TypeError"
        handler = "document.body.setAttribute('onclick', 'window.ran = 1')"
        assert await at.page.evaluate(f"{refused}(() => {{ {handler}; }})") == "TypeError"
        script = "const made = document.createElement('script'); made.textContent = 'window.ran = 1'"
        assert await at.page.evaluate(f"{refused}(() => {{ {script}; document.body.append(made); }})") == "TypeError"
        assert await at.page.evaluate("window.ran === undefined")
        told = [each for each in at.page.complaints if "requires 'Trusted" in each]
        assert len(told) == 3
        assert at.page.complaints == told
        at.page.complaints.clear()
