"""The running program warns, tells, and clears: over failures of the receivers and over a restart."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from stages.store import moves
from tests.e2e.command import Place
from tests.harness.hook import Hook, hook
from tests.harness.post_office import post_office
from tests.harness.process import Program
from tests.harness.site import Site, site

pytestmark = pytest.mark.anyio

FULL = '[warnings]\ninterval = "1s"\nretry = "1s"\ndisk_free = "1000GiB"\n'
"""No disk has that much: a warning at once."""


async def start(ca: Site) -> Program:
    return await ca.start()


async def wait_for(program: Program, event: str) -> dict[str, Any]:
    return await to_thread.run_sync(program.wait_for, event)


async def reload(ca: Site, program: Program, old: str, new: str) -> None:
    text = ca.config.read_text()
    assert old in text
    ca.config.write_text(text.replace(old, new))
    program.signal(signal.SIGHUP)
    await wait_for(program, "config.reloaded")


def settings(receiver: Hook, folder: Path) -> str:
    (folder / "secret").write_text("hunter2\n")
    return f'{FULL}webhook_url = "http://127.0.0.1:{receiver.port}/hidden-path"\nwebhook_secret_file = "secret"\n'


async def test_both_channels_are_told_after_two_failures(tmp_path: Path) -> None:
    """Each is tried again until it takes the notice; then it hears no more of it, and hears when it is over."""
    async with hook() as receiver, post_office() as office:
        receiver.answers, office.refusals = ["500 no", "hang up"], ["451 later", "421 later"]
        mail = f'mail_to = ["a@example.org"]\nmail_from = "ca@example.org"\nsmtp = "127.0.0.1:{office.port}"\n'
        async with site(tmp_path, f'{settings(receiver, tmp_path)}{mail}smtp_tls = "off"\n') as ca:
            with await start(ca) as program:
                posts, mails = await receiver.wait(3), await office.wait(1)
                raised = [concern["name"] for concern in posts[2].json["raised"]]
                assert raised == ["disk_space"]
                since = [post.json["raised"][0]["since"] for post in posts]
                assert since == [since[0]] * 3
                assert str(mails[0].mail["Subject"]).endswith(": 1 error")
                await reload(ca, program, 'disk_free = "1000GiB"', 'disk_free = "1MiB"\ndisk_percent = 0')
                cleared, mails = (await receiver.wait(4))[3].json, await office.wait(2)
                assert (cleared["raised"], [each["name"] for each in cleared["cleared"]]) == ([], ["disk_space"])
                assert str(mails[1].mail["Subject"]).endswith(": 1 cleared")
                assert await to_thread.run_sync(program.stop) == 0
    assert [(event["name"], event["severity"]) for event in program.named("warning.raised")] == [
        ("disk_space", "error")
    ]
    assert [event["name"] for event in program.named("warning.cleared")] == ["disk_space"]
    not_told = [(event["channel"], event["why"]) for event in program.named("warning.not_told")]
    assert sorted(not_told) == [
        ("mail", "the server answers 421"),
        ("mail", "the server answers 451"),
        ("webhook", "the answer is 500"),
        ("webhook", "the connection ended without an answer"),
    ]
    assert b"hunter2" not in b"".join(program.raw)
    assert b"hidden-path" not in b"".join(program.raw)


async def test_restart_tells_what_is_new_only(tmp_path: Path) -> None:
    """Killed after it has told one warning and before it could tell another: only the other is told then."""
    async with hook() as receiver:
        receiver.answers = ["204 taken", "silence"]
        async with site(tmp_path, f'{settings(receiver, tmp_path)}timeout = "60s"\n') as ca:
            with await start(ca) as program:
                await wait_for(program, "warning.told")
                await reload(ca, program, FULL, f'{FULL}store_file = "1B"\n')
                assert [each["name"] for each in (await receiver.wait(2))[1].json["raised"]] == ["store_size"]
                program.kill()
            receiver.answers = []
            with await start(ca) as again:
                (_, _, post) = await receiver.wait(3)
                told = post.json
                notice = await wait_for(again, "warning.told")
                assert (notice["raised"], notice["cleared"]) == (1, 0)
                assert await to_thread.run_sync(again.stop) == 0
    assert [each["name"] for each in told["raised"]] == ["store_size"]
    assert sorted(each["name"] for each in told["current"]) == ["disk_space", "store_size"]
    first = program.named("warning.raised")[0]
    assert (first["name"], first["since"]) in [
        (event["name"], event["since"]) for event in again.named("warning.raised")
    ]
    assert len(receiver.came) == 3


async def test_warning_that_ended_while_the_program_was_stopped(tmp_path: Path) -> None:
    """It is cleared at the next start, in the log and to whoever was told of it."""
    async with hook() as receiver, site(tmp_path, settings(receiver, tmp_path)) as ca:
        with await start(ca) as program:
            await wait_for(program, "warning.told")
            assert await to_thread.run_sync(program.stop) == 0
        ca.config.write_text(ca.config.read_text().replace('"1000GiB"', '"1MiB"\ndisk_percent = 0'))
        with await start(ca) as again:
            cleared = (await receiver.wait(2))[1].json["cleared"]
            assert await to_thread.run_sync(again.stop) == 0
    assert [each["name"] for each in cleared] == ["disk_space"]
    assert [event["name"] for event in again.named("warning.cleared")] == ["disk_space"]


async def test_certificate_that_nobody_fetches(tmp_path: Path) -> None:
    """It is warned of when it is too old for that, and cleared when its client gets it."""
    limits = '[warnings]\ninterval = "1s"\nundelivered = "1s"\ndisk_free = "0B"\ndisk_percent = 0\n'
    async with site(tmp_path, limits) as ca:
        with await start(ca) as program:
            (session,) = await ca.submit(1)
            await ca.until_done(1)
            issued = await wait_for(program, "certificate.issued")
            raised = await wait_for(program, "warning.raised")
            assert (raised["name"], raised["subject"]) == ("undelivered", issued["serial"])
            await ca.store.move(moves.deliver(session, "sent"))
            assert (await wait_for(program, "warning.cleared"))["subject"] == issued["serial"]
            assert await to_thread.run_sync(program.stop) == 0


async def test_command_shows_what_the_program_warns_of(tmp_path: Path) -> None:
    """`warnings` and `status`, beside the program and without it; --test says how each channel answers."""
    async with hook() as receiver, site(tmp_path, settings(receiver, tmp_path)) as ca:
        place = Place(tmp_path)
        with await start(ca) as program:
            await wait_for(program, "warning.told")
            beside = await to_thread.run_sync(place.json, "warnings")
            status = await to_thread.run_sync(place.json, "status")
            assert await to_thread.run_sync(program.stop) == 0
        assert [each["name"] for each in beside["warnings"]] == ["disk_space"]
        assert [each["name"] for each in status["warnings"]] == ["disk_space"]
        assert status["warnings"][0]["since"] == program.named("warning.raised")[0]["since"]
        text = (await to_thread.run_sync(place.ok, "warnings")).out
        assert text.splitlines()[1].startswith("error     disk_space  ")
        assert "\nwarnings: 1\n  error: " in (await to_thread.run_sync(place.ok, "status")).out
        taken = await to_thread.run_sync(place.json, "warnings", "--test")
        assert taken == {"tested": [{"channel": "webhook", "problem": None}]}
        test = (await receiver.wait(2))[1].json
        assert (test["test"], test["raised"], test["current"]) == (True, [], [])
        receiver.answers = ["302 there"]
        refused = await to_thread.run_sync(place.call, "warnings", "--test")
        assert refused.code == 10
        assert refused.out.startswith("webhook: the answer is 302: redirects are not followed")
        assert (await to_thread.run_sync(place.ok, "check-config")).out
        (tmp_path / "secret").unlink()
        wrong = await to_thread.run_sync(place.call, "check-config")
        assert (wrong.code, "warnings.webhook_secret_file" in wrong.err) == (3, True)


async def test_crl_that_cannot_be_written(tmp_path: Path) -> None:
    """A directory in its place: the program says so after two looks, and clears it when the CRL is there."""
    quiet = '[warnings]\ninterval = "1s"\ndisk_free = "0B"\ndisk_percent = 0\n'
    async with site(tmp_path, quiet) as ca:
        file = tmp_path / "data" / "ca" / "crl.pem"
        file.mkdir()
        with await start(ca) as program:
            raised = await wait_for(program, "warning.raised")
            assert (raised["name"], raised["subject"]) == ("crl", "file")
            file.rmdir()
            place = Place(tmp_path)
            await to_thread.run_sync(place.ok, "crl", "--write")
            assert (await wait_for(program, "warning.cleared"))["name"] == "crl"
            assert await to_thread.run_sync(program.stop) == 0
        found = json.loads((tmp_path / "data" / "warnings.json").read_text())
    assert found["current"] == []
    assert raised["since"] <= time.time()
