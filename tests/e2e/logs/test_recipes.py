"""Each recipe of docs/logs.md, run by jq on the log of a real run, says what is known of that run. Needs jq."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.e2e.logs.page import recipes
from tests.e2e.logs.real_run import GOOD, RealRun

NEEDS = ("jq",)

CERTIFICATES = "Certificates, and whom they are for"
STORY = "The story of one session"
SERIAL = "The session of a certificate, by its serial number"
REJECTED = "Requests that got no certificate, and why"
ATTEMPTS = "How many attempts of each stage ended how"
REQUESTS = "ACME requests by their kind: how many, and the time that 95 of 100 stay below, in milliseconds"
PROBLEMS = "Errors that clients were given, by account"
SECONDS = "Seconds from an order to its certificate"
PERSON = "What wants a person"
WHOLE = "Whether the log is whole, and since when the program runs"


def ask(run: RealRun, recipe: str, **environ: str) -> list[str]:
    """What a recipe prints, run where the log is."""
    done = subprocess.run(
        ["sh", "-ec", recipes()[recipe]],
        cwd=run.file.parent,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_every_recipe_is_tested() -> None:
    """The page has these and no others."""
    expected = {CERTIFICATES, STORY, SERIAL, REJECTED, ATTEMPTS, REQUESTS, PROBLEMS, SECONDS, PERSON, WHOLE}
    assert expected == set(recipes())


def test_certificates(run: RealRun) -> None:
    """Serial number and names of each."""
    rows = [line.split("\t") for line in ask(run, CERTIFICATES)]
    assert list(zip(run.serials, run.names, strict=True)) == [(serial, names) for _, serial, names, _ in rows]


def test_story(run: RealRun) -> None:
    """From the order to the certificate."""
    told = [line.split()[1:3] for line in ask(run, STORY, SESSION=run.sessions[0])]
    assert told[0] == ["acme.request", "new-order"]
    assert ["certificate.issued"] in told
    assert ["stage.finished", "advance"] in told


def test_session_of_a_serial_number(run: RealRun) -> None:
    """The one that it was issued for."""
    assert [run.sessions[1]] == ask(run, SERIAL, SERIAL=run.serials[1])


def test_rejected(run: RealRun) -> None:
    """The order that could not be proven, and what was wrong."""
    [line] = ask(run, REJECTED)
    session, _, why = line.partition(" ")
    assert session == run.rejected
    assert why.endswith("the connection was closed before a response")


def test_attempts(run: RealRun) -> None:
    """What could not be proven was tried twice."""
    found = [json.loads(line) for line in ask(run, ATTEMPTS)]
    assert [[outcome, times] for queue, outcome, times in found if queue == "testchallenge"] == [
        ["advance", GOOD],
        ["reject", 1],
        ["retry", 1],
    ]


def test_requests(run: RealRun) -> None:
    """One account, four orders."""
    found = {row["kind"]: row for row in map(json.loads, ask(run, REQUESTS))}
    assert (found["new-account"]["requests"], found["new-order"]["requests"]) == (1, GOOD + 1)
    slowest = max(line["duration_ms"] for line in run.lines if line.get("kind") == "challenge")
    assert found["challenge"]["p95_ms"] == slowest


def test_problems(run: RealRun) -> None:
    """The one who finalized too early."""
    expected = {"account": run.account, "problem": "orderNotReady", "times": 1}
    assert [expected] == [json.loads(line) for line in ask(run, PROBLEMS)]


def test_seconds(run: RealRun) -> None:
    """A row for each certificate; what its client waited is no more than the run."""
    rows = [line.split("\t") for line in ask(run, SECONDS)]
    assert run.sessions == [session for session, _ in rows]
    assert all(0 <= float(seconds) < 60 for _, seconds in rows)


@pytest.mark.parametrize("level", ["warning", "error"])
def test_what_wants_a_person(run: RealRun, level: str) -> None:
    """Nothing in a good run; a line of such a level is found where there is one."""
    assert ask(run, PERSON) == []
    folder = run.file.parent / level
    folder.mkdir()
    line = {"time": "2012-07-06T21:45:26.250Z", "level": level, "event": "store.warning"}
    (folder / run.file.name).write_text(run.file.read_text() + json.dumps(line) + "\n")
    assert [line] == [json.loads(found) for found in ask(run._replace(file=folder / run.file.name), PERSON)]


def test_whole(run: RealRun) -> None:
    """One start, and nothing dropped."""
    [line] = ask(run, WHOLE)
    assert [line] == [f"{run.lines[0]['time']} supervisor.starting {run.lines[0]['version']}"]
