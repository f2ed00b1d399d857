"""A real Chromium without a window, driven over its debugging pipe (Chrome DevTools Protocol); nothing is installed.

The pipe needs no port and no websocket: commands and events are JSON texts, each ended by a zero byte.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import anyio

_PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS: Final = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-sandbox",  # root has none, and it looks at nothing but our own page
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # whatever it wants elsewhere, it does not get
    "--hide-scrollbars",
)  # fmt: skip
_ABOVE: Final = 20
"""Descriptors are moved above this, so that giving them the numbers 3 and 4 overwrites none."""
_PIECE: Final = 1 << 16
_PATIENCE: Final = 20.0
_LOOK: Final = 0.05


def program() -> str | None:
    """The browser that is here, None for none."""
    return next((found for name in _PROGRAMS if (found := shutil.which(name))), None)


def missing() -> str:
    """Why there is no browser, "" when there is one."""
    return "" if program() else "there is no chromium (Debian: apt-get install chromium)"


def lacking() -> dict[str, str]:
    """As `tests.harness.clients.here.lacking`."""
    why = missing()
    return {"the page": why} if why else {}


class Page:
    """One tab.

    Attributes:
        complaints: errors of the console, exceptions, and what the browser itself had to say (CSP violations too).
        requests: every URL that was asked for.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.complaints: list[str] = []
        self.requests: list[str] = []

    def hear(self, method: str, params: dict[str, Any]) -> None:
        """An event of this tab."""
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"])[:2000])
        elif method == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning", "assert"}:
            self.complaints.append(json.dumps(params["args"])[:2000])
        elif method == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(json.dumps(params["entry"])[:2000])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Page.javascriptDialogOpening":
            self.complaints.append(f"a dialog opened: {params['message']}")

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol."""
        return await self._browser.call(method, self._session, **params)

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript, awaited where it is a promise."""
        answer = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, expression: str, seconds: float = _PATIENCE) -> Any:
        """Wait until an expression is true; its value."""
        deadline = time.monotonic() + seconds
        while not (found := await self.evaluate(expression)):
            assert time.monotonic() < deadline, f"not within {seconds} s: {expression}; {self.complaints}"
            await anyio.sleep(_LOOK)
        return found

    async def go(self, url: str) -> None:
        """Load a page."""
        await self.call("Page.navigate", url=url)
        await self.until(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")

    async def look(self, *, width: int = 1440, height: int = 1000, dark: bool = False, still: bool = True) -> None:
        """Take a window of this size, a colour scheme, and whether motion is to be reduced."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def press(self, key: str, *, shift: bool = False) -> None:
        """A key, such as "Tab" or "Enter", or a character."""
        code = _KEYS.get(key, 0)
        event: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        text = {"Enter": "\r", " ": " "}.get(key, key if len(key) == 1 else "")
        await self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **event)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    async def accessible(self) -> list[dict[str, Any]]:
        """The accessibility tree, as a screen reader is given it: role, name, description of what is not ignored."""
        nodes = (await self.call("Accessibility.getFullAXTree"))["nodes"]
        return [
            {
                "role": node["role"]["value"],
                "name": node.get("name", {}).get("value", ""),
                "description": node.get("description", {}).get("value", ""),
                "properties": {each["name"]: each["value"].get("value") for each in node.get("properties", ())},
            }
            for node in nodes
            if not node["ignored"]
        ]

    async def picture(self, file: Path, *, whole: bool = False) -> None:
        """A screenshot as PNG."""
        shot = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        await anyio.Path(file).write_bytes(base64.b64decode(shot["data"]))


_KEYS: Final = {
    "Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "End": 35, "Home": 36,
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
}  # fmt: skip


class Browser:
    """A running browser; `browser` starts one."""

    def __init__(self, writer: int) -> None:
        self._writer = writer
        self._last = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}

    async def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """One command; its answer. Raises AssertionError with the browser's words when it refuses."""
        self._last += 1
        number = self._last
        message = {"id": number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        with anyio.fail_after(_PATIENCE):
            found = await answer
        assert "error" not in found, f"{method}: {found['error']}"
        result: dict[str, Any] = found["result"]
        return result

    def take(self, message: dict[str, Any]) -> None:
        """A message of the browser: an answer, or an event of a tab."""
        if "id" in message:
            answer = self._answers.pop(message["id"])
            if not answer.done():
                answer.set_result(message)
        elif page := self._pages.get(message.get("sessionId", "")):
            page.hear(message["method"], message["params"])

    async def page(self, **how: Any) -> Page:
        """A new tab, as `Page.look` is told."""
        context = await self.call("Target.createBrowserContext")
        target = await self.call("Target.createTarget", url="about:blank", browserContextId=context["browserContextId"])
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        made = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            await made.call(f"{domain}.enable")
        await made.look(**how)
        return made


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Browser]:
    """A browser whose profile is in `folder`; it ends with the block, and so does everything it has started."""
    found = program()
    assert found, missing()
    inward, outward = os.pipe(), os.pipe()
    theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, _ABOVE) for fd in (inward[0], outward[1])]
    os.close(inward[0])
    os.close(outward[1])
    shell = f'exec "$0" "$@" 3<&{theirs[0]} 4>&{theirs[1]} {theirs[0]}<&- {theirs[1]}>&- </dev/null >/dev/null 2>&1'
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", shell, found, *_OPTIONS, f"--user-data-dir={folder / 'profile'}",
        pass_fds=theirs,
        start_new_session=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)},
    )  # fmt: skip
    for fd in theirs:
        os.close(fd)
    made = Browser(inward[1])
    reading = asyncio.create_task(_read(outward[0], made))
    try:
        yield made
    finally:
        with suppress(AssertionError, TimeoutError, OSError):
            await made.call("Browser.close")
        with anyio.move_on_after(5):
            await process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        os.close(inward[1])


async def _read(descriptor: int, made: Browser) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 26)
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        while True:
            made.take(json.loads((await reader.readuntil(b"\0"))[:-1]))
    except asyncio.IncompleteReadError:
        pass
    finally:
        transport.close()
