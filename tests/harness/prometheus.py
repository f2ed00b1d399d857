"""A real Prometheus that scrapes one program, on loopback; and whether this machine has one."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self

from tests.harness.process import ROOT

RULES: Final = ROOT / "packaging" / "prometheus" / "alerts.yml"
_CONFIG: Final = """\
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: ca-supervisor
    authorization: {{credentials_file: "{token}"}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
_LOOK: Final = 0.1


@cache
def lacking() -> dict[str, str]:
    """What is missing and why, by the name of the tool."""
    missing = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
    return {"prometheus": f"there is no {missing[0]} (Debian: apt-get install prometheus)"} if missing else {}


def promtool(*arguments: str, said: str = "", cwd: Path = ROOT) -> str:
    """What promtool complains of; "" when all is well."""
    done = subprocess.run(
        ["promtool", *arguments], cwd=cwd, input=said, capture_output=True, text=True, timeout=60, check=False
    )
    return "" if done.returncode == 0 and not done.stderr else f"code {done.returncode}: {done.stdout}{done.stderr}"


class Prometheus:
    """Scrapes 127.0.0.1:`target` with the token of a file; `port` is its own, `folder` has all that it writes."""

    def __init__(self, folder: Path, port: int, target: int, token: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "prometheus.yml").write_text(_CONFIG.format(rules=RULES, token=token, port=target))

    def start(self) -> None:
        """Start it; it is asked when it answers."""
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._folder}/prometheus.yml",
                    f"--storage.tsdb.path={self._folder}/data",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                ],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def ask(self, path: str, **query: str) -> Any:
        """The data of an answer of its API; AssertionError where it refuses the question, OSError while it starts."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refused:
            if refused.code == HTTPStatus.SERVICE_UNAVAILABLE:  # it starts
                raise
            with refused:
                raise AssertionError(f"{query}: {refused.read().decode()}") from None

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and values of a query now."""
        found = self.ask("query", query=expression)["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    def until(self, expression: str, wanted: Callable[[float], bool], seconds: float = 30.0) -> None:
        """Ask until the sum of a query is as wanted."""
        deadline = time.monotonic() + seconds
        found: object = "no answer"
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, (self._folder / "log").read_text()
            try:
                found = self.query(expression)
            except OSError:
                time.sleep(_LOOK)
                continue
            if found and wanted(sum(value for _, value in found)):
                return
            time.sleep(_LOOK)
        raise AssertionError(f"not within {seconds} s: {expression}; {found}; {(self._folder / 'log').read_text()}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
