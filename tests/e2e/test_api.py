"""What the page asks for, without a browser: the JSON answers, their bounds and refusals, and the page's files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from tests.harness.fetching import fetch, send, service_port
from tests.harness.site import Site, site

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


@asynccontextmanager
async def served(folder: Path, extra: str = "") -> AsyncIterator[tuple[Site, int]]:
    port = service_port()
    async with site(folder, f'[admin]\nlisten = "127.0.0.1:{port}"\n{extra}') as ca:
        with await ca.start() as program:
            yield ca, port
            assert await to_thread.run_sync(program.stop) == 0
            assert program.named("http.failed") == []


async def asked(port: int, path: str) -> Any:
    """The document at a path, which must be there."""
    found = await fetch(port, path)
    assert found.status == 200, found.text
    return json.loads(found.text)


def fields(head: str) -> dict[str, str]:
    """The fields of an answer by their names in lower case."""
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in head.splitlines()[1:]) if value}


@pytest.mark.anyio
async def test_overview_tells_program_store_and_authority(tmp_path: Path) -> None:
    """After three certificates the overview has them in its totals, its queues, its timeline and its next to expire."""
    async with served(tmp_path) as (ca, port):
        sessions = await ca.submit(3)
        await ca.until_done(3)
        found = await asked(port, "/api/overview")
        assert found["program"]["ready"] is True
        assert found["program"]["faults"] == []
        assert [queue["queue"] for queue in found["queues"]] == ["makechallenge", "testchallenge", "issue", "done"]
        assert [queue["concurrency"] for queue in found["queues"]] == [32, 64, 32, 32]
        assert found["queues"][2]["advanced"] == 3
        assert found["queues"][3]["waiting"] == 3
        store = found["store"]
        assert (store["active"], store["certificates"], store["undelivered"], store["failed"]) == (3, 3, 3, 0)
        assert sum(found["timeline"]["counts"]) == 3
        assert len(found["timeline"]["counts"]) <= 60
        assert {row["session"] for row in found["ending"]} == set(sessions)
        [chain] = found["tree"]["chains"]
        assert [(each["role"], each["subject"]) for each in chain] == [
            ("root", "CN=Test Root"),
            ("intermediate", "CN=Test Intermediate"),
        ]
        assert found["tree"]["crl"]["number"] == 1
        assert found["samples"]["step"] == 2.0


@pytest.mark.anyio
async def test_lists_are_bounded_and_told_apart(tmp_path: Path) -> None:
    """Each list has what its name says; a shorter one says that there is more."""
    async with served(tmp_path) as (ca, port):
        await ca.submit(3)
        await ca.until_done(3)
        [waits] = await ca.submit(1, scheduled="False")
        await ca.until(lambda found: found.active == 4 and not any(found.pending.values()))
        newest = await asked(port, "/api/sessions?show=newest&count=2")
        assert newest["rows"][0]["id"] == waits
        assert (len(newest["rows"]), newest["more"], newest["active"]) == (2, True, 4)
        waiting = await asked(port, "/api/sessions?show=waiting")
        assert [(row["id"], row["place"]) for row in waiting["rows"]] == [(waits, "waiting")]
        undelivered = await asked(port, "/api/sessions?show=undelivered")
        assert [row["place"] for row in undelivered["rows"]] == ["undelivered"] * 3
        for show in ("at-work", "pending", "retrying", "failed"):
            assert (await asked(port, f"/api/sessions?show={show}"))["rows"] == []
        page = await asked(port, "/api/certificates?count=2")
        assert (len(page["rows"]), page["more"]) == (2, True)
        rest = await asked(port, "/api/certificates?count=2&offset=2")
        assert (len(rest["rows"]), rest["more"]) == (1, False)
        serials = [row["serial"] for row in page["rows"] + rest["rows"]]
        assert len(set(serials)) == 3
        none = await asked(port, f"/api/certificates?from=0&to={page['rows'][0]['not_after']}")
        assert none["rows"] == []


@pytest.mark.anyio
async def test_a_session_is_told_without_its_pem(tmp_path: Path) -> None:
    """The story, the challenges and their evidence; no CSR, no certificate, no intent."""
    async with served(tmp_path) as (ca, port):
        [session] = await ca.submit(1)
        await ca.until_done(1)
        found = (await asked(port, f"/api/session/{session}"))["session"]
        assert found["id"] == session
        assert found["place"] == "undelivered"
        assert [move["what"].partition(":")[0] for move in found["story"]][:2] == [
            "submitted",
            "makechallenge > testchallenge",
        ]
        assert found["challenges"][0]["attempts"][0]["ok"] is True
        assert {"csr", "cert", "intent"}.isdisjoint(found)


REFUSED = [
    ("/api/sessions?show=all", 400, "show: it must be one of newest"),
    ("/api/sessions?count=0", 400, "count: it must be from 1 to 100"),
    ("/api/sessions?count=101", 400, "count: it must be from 1 to 100"),
    ("/api/sessions?count=x", 400, "count: it must be a number"),
    ("/api/sessions?count=1&count=2", 400, "count: it is given twice"),
    ("/api/sessions?limit=1", 400, "'limit': there is show, count"),
    ("/api/certificates?offset=10001", 400, "offset: it must be from 0 to 10000"),
    ("/api/certificates?from=9999999999999", 400, "from: it must be a number"),
    (f"/api/session/{'0' * 64}", 404, "there is no such session"),
    ("/api/session/0", 400, "session: its id has 64 hex digits"),
    ("/api/session/../../etc/passwd", 400, "session: its id has 64 hex digits"),
    ("/page/../listener.py", 404, "there is"),
    ("/page/nothing.js", 404, "there is"),
]
"""What is asked, and the status and the beginning of the answer."""


@pytest.mark.anyio
async def test_bad_questions_are_refused(tmp_path: Path) -> None:
    """One clear error that names the parameter; nothing but the page's own files is served."""
    async with served(tmp_path) as (_, port):
        answers = [(path, await fetch(port, path)) for path, _, _ in REFUSED]
    told = []
    for (path, answer), (_, _, why) in zip(answers, REFUSED, strict=True):
        told.append((path, answer.status, json.loads(answer.text)["error"][: len(why)]))
    assert told == REFUSED


@pytest.mark.anyio
async def test_the_pages_files_have_a_policy_and_a_tag(tmp_path: Path) -> None:
    """Every file comes with the Content-Security-Policy and an ETag that saves its body; data is never kept."""
    async with served(tmp_path) as (_, port):
        page = await fetch(port, "/")
        names = [part.partition('"')[0] for part in page.text.split('"/page/')[1:]]
        assert set(names) == {"icon.svg", "style.css", "parts.css", "app.js"}
        for path in ("/", *(f"/page/{name}" for name in names)):
            found = await fetch(port, path)
            told = fields(found.head)
            assert found.status == 200
            assert told["content-security-policy"] == POLICY
            assert told["x-content-type-options"] == "nosniff"
            again = (
                f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nif-none-match: {told['etag']}\r\nconnection: close\r\n\r\n"
            )
            assert (await send(port, again.encode())).status == 304
        assert fields((await fetch(port, "/api/overview")).head)["cache-control"] == "no-store"


def test_the_page_is_made_of_text_alone() -> None:
    """No file of the page reads a string as HTML or code, names another host, or holds a style or script inline."""
    folder = Path(__file__).parents[2] / "supervisor/admin/page"
    wrong = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser")
    found = [
        (file.name, word)
        for file in sorted(folder.iterdir())
        for word in (*wrong, "https://", "style=", " onclick", "<script>")
        if word in file.read_text()
    ]
    assert found == []
