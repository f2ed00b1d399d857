"""A CA whose program shows its page, and a browser that has opened it. For the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from anyio import to_thread

from tests.harness.browser import Page, browser
from tests.harness.fetching import service_port
from tests.harness.process import Program
from tests.harness.site import Site, site


class Seen(NamedTuple):
    """The CA, its program, its page in a browser, and where it is."""

    ca: Site
    program: Program
    page: Page
    origin: str

    async def figure(self, name: str) -> str:
        """What the page says under this name."""
        return str(await self.page.evaluate(f"({FIGURE})({name!r})"))

    async def until_figure(self, name: str, value: str) -> None:
        """Wait until it says this."""
        await self.page.until(f"({FIGURE})({name!r}) === {value!r}")


FIGURE = """(name) => [...document.querySelectorAll("#figures .figure")]
  .find((each) => each.querySelector("dt").textContent === name)?.querySelector("dd").textContent"""


@asynccontextmanager
async def seen(folder: Path, *, url: str = "", extra: str = "", **how: Any) -> AsyncIterator[Seen]:
    """The page, opened and filled once; in the end nothing may have been complained of, and nobody else asked."""
    port = service_port()
    origin = f"http://127.0.0.1:{port}"
    listen = f'[admin]\nlisten = "127.0.0.1:{port}"\n{extra}'
    async with site(folder / "ca", listen, url=url) as ca:
        with await ca.start() as program:
            async with browser(folder) as chromium:
                page = await chromium.page(**how)
                await page.go(f"{origin}/")
                await page.until('document.getElementById("updated").textContent !== ""')
                yield Seen(ca, program, page, origin)
                assert page.complaints == []
                assert [asked for asked in page.requests if not asked.startswith(f"{origin}/")] == []
            assert await to_thread.run_sync(program.stop) == 0
