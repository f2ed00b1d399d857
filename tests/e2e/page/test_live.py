"""The page in a real browser while the program works: figures, lists, the story of a session, an outage."""

from __future__ import annotations

from pathlib import Path

import pytest
from anyio import to_thread

from stages.session import Problem
from stages.store import moves
from tests.e2e.page.seen import seen
from tests.harness.browser import browser
from tests.harness.fetching import service_port
from tests.harness.site import site
from tests.harness.valkey import Valkey

ROWS = 'document.querySelectorAll("#session-rows tr").length'
STATE = 'document.getElementById("state-text").textContent'
BANNER = 'document.getElementById("banner")'


@pytest.mark.anyio
async def test_figures_change_when_certificates_are_issued(tmp_path: Path) -> None:
    """An empty CA says so; five certificates later figures, queues, plots, lists and timeline say that."""
    async with seen(tmp_path) as at:
        assert await at.page.evaluate(STATE) == "ready"
        await at.until_figure("certificates", "0")
        await at.page.until('document.getElementById("session-note").textContent === "No sessions are on record."')
        await at.ca.submit(5)
        await at.until_figure("certificates", "5")
        await at.until_figure("undelivered", "5")
        await at.page.until(f"{ROWS} === 5")
        assert await at.page.evaluate('document.querySelectorAll("#certificate-rows tr").length') == 5
        waiting = 'document.querySelector(".queue-3 dl div:nth-child(3) dd").textContent'
        assert await at.page.until(f'{waiting} === "5"')
        await at.page.until('Boolean(document.querySelector("#plot-throughput .area-issued"))')
        summary = await at.page.evaluate('document.getElementById("throughput-summary").textContent')
        assert "issued: now" in summary
        full = """[...document.querySelectorAll("#timeline button")]
          .filter((bar) => bar.ariaLabel.endsWith(": 5 certificates"))"""
        assert await at.page.evaluate(f"{full}.length") == 1
        await at.page.evaluate(f"{full}[0].click()")
        await at.page.until('document.getElementById("certificate-list-h").textContent.startsWith("Expiring ")')
        assert await at.page.evaluate('document.querySelectorAll("#certificate-rows tr").length') == 5
        issuer = await at.page.evaluate('document.getElementById("tree").textContent')
        assert "CN=Test Root" in issuer
        assert "CN=Test Intermediate" in issuer


@pytest.mark.anyio
async def test_the_story_of_a_session_opens_and_closes_by_keyboard(tmp_path: Path) -> None:
    """Enter on a row opens its moves and the evidence of its test; Escape closes them and gives the focus back."""
    async with seen(tmp_path) as at:
        [session] = await at.ca.submit(1)
        await at.page.until(f"{ROWS} === 1")
        await at.until_figure("undelivered", "1")
        await at.page.evaluate('document.querySelector("#session-rows button").focus()')
        await at.page.press("Enter")
        await at.page.until('Boolean(document.querySelector("#detail[open] .challenge"))')
        told = await at.page.evaluate('document.getElementById("detail-body").innerText')
        for text in (session, "submitted", "every name is proven", "http-01 for 127.0.0.1", "status 200"):
            assert text in told
        await at.page.press("Escape")
        await at.page.until('!document.getElementById("detail").open')
        assert await at.page.evaluate('document.activeElement.closest("#session-rows") !== null')


@pytest.mark.anyio
async def test_a_list_shows_what_is_at_work_and_what_failed(tmp_path: Path) -> None:
    """Sessions at work stand in their list, and a rejected one in its own with the reason."""
    extra = "[queues.testchallenge]\nconcurrency = 2\n"
    async with seen(tmp_path, extra=extra) as at:
        at.ca.peer.delay = 3.0
        await at.ca.submit(3)
        await at.ca.until_asked(2)
        await at.page.evaluate('document.getElementById("show-at-work").click()')
        await at.page.until(f"{ROWS} === 2")
        await at.page.evaluate('document.getElementById("show-pending").click()')
        await at.page.until(f"{ROWS} === 1")
        at.ca.peer.delay = 0.0
        await at.ca.until_done(3)
        sessions = await at.ca.submit(1, scheduled="False", thumbprint="x" * 43)
        await at.ca.until(lambda found: found.active == 4)
        await at.ca.store.move(moves.cancel(sessions[0], Problem("unauthorized", "no longer wanted"), 3600))
        await at.page.evaluate('document.getElementById("show-failed").click()')
        await at.page.until('document.querySelector("#session-rows .tag")?.textContent === "rejected"')
        assert await at.page.evaluate(ROWS) == 1
        row = await at.page.evaluate('document.querySelector("#session-rows tr").innerText')
        assert "unauthorized: no longer wanted" in row
        await at.page.until('document.querySelector("#attention .group h3")?.textContent === "Failed"')


@pytest.mark.anyio
async def test_the_page_works_with_a_token(tmp_path: Path) -> None:
    """Without the token the browser is refused; with it as the password everything is there, its own requests too."""
    token = tmp_path / "token"
    token.write_text("a-token-of-twenty-letters\n")
    port = service_port()
    listen = f'[admin]\nlisten = "127.0.0.1:{port}"\ntoken_file = "{token}"\n'
    async with site(tmp_path / "ca", listen) as ca, browser(tmp_path) as chromium:
        with await ca.start() as program:
            page = await chromium.page()
            await page.call("Page.navigate", url=f"http://127.0.0.1:{port}/")
            await page.until('document.readyState === "complete"')
            assert await page.evaluate('document.getElementById("main")') is None
            page.complaints.clear()
            await page.call("Page.navigate", url=f"http://anyone:a-token-of-twenty-letters@127.0.0.1:{port}/")
            await page.until('document.getElementById("updated")?.textContent')
            assert await page.evaluate(STATE) == "ready"
            assert page.complaints == []
            assert await to_thread.run_sync(program.stop) == 0


@pytest.mark.anyio
async def test_an_outage_is_told_and_the_last_state_stays(tmp_path: Path) -> None:
    """Without its store the program says so on the page, which shows what was last seen, and then goes on."""
    with Valkey(tmp_path / "valkey") as server:
        async with seen(tmp_path, url=server.url) as at:
            await at.ca.submit(2)
            await at.until_figure("certificates", "2")
            server.kill()
            await to_thread.run_sync(at.program.wait_for, "store.lost")
            await at.page.until(f'{STATE} === "store away"')
            assert "The store cannot be reached" in await at.page.evaluate(f"{BANNER}.textContent")
            assert await at.figure("certificates") == "2"
            said = await at.page.evaluate('document.getElementById("say").textContent')
            assert said == "The program is now: store away"
            server.start()
            await at.page.until(f'{STATE} === "ready"')
            assert await at.page.evaluate(f"{BANNER}.hidden")
            refused = [each for each in at.page.complaints if "503 (Service Unavailable)" in each]
            assert at.page.complaints == refused  # a list that was asked for in the moment of the outage
            at.page.complaints.clear()
