"""Both channels against real receivers: what arrives, what is demanded of the other side, and what counts as taken."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from email.utils import parsedate_to_datetime
from pathlib import Path

import anyio
import pytest

from supervisor.warnings.concern import Concern, Severity
from supervisor.warnings.mail import Mail, MailSettings
from supervisor.warnings.notice import Notice
from supervisor.warnings.webhook import NotTold, Webhook
from tests.harness.hook import hook
from tests.harness.post_office import post_office
from tests.harness.tls import Certificates

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000
DISK = Concern("disk_space", Severity.ERROR, "", "/data has no room\r\nBcc: you@example.org", NOW)
OLD = Concern("crl", Severity.WARNING, "expiry", "the CRL ends", NOW - 9)
NOTICE = Notice(ca="Test CA", host="ca1", time=NOW, raised=(DISK,), cleared=(OLD,), current=(DISK,))
NO_TLS = ssl.create_default_context()


def server_context(certificates: Certificates) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificates.server)
    return made


async def test_webhook_posts_signed_json() -> None:
    """The receiver gets the whole notice, and can compute the signature itself."""
    async with hook() as receiver:
        await Webhook(f"http://127.0.0.1:{receiver.port}/in/ca?x=1", "hunter2", NO_TLS, 5).send(NOTICE)
        (post,) = receiver.came
    assert post.line == "POST /in/ca?x=1 HTTP/1.1"
    assert post.fields["host"] == f"127.0.0.1:{receiver.port}"
    assert post.fields["content-type"] == "application/json"
    wanted = hmac.new(b"hunter2", f"{NOW}.".encode() + post.body, hashlib.sha256).hexdigest()
    assert post.fields["ca-supervisor-timestamp"] == str(NOW)
    assert post.fields["ca-supervisor-signature"] == f"sha256={wanted}"
    disk = {"name": "disk_space", "severity": "error", "subject": "", "text": DISK.text, "since": NOW}
    crl = {"name": "crl", "severity": "warning", "subject": "expiry", "text": "the CRL ends", "since": NOW - 9}
    assert post.json == {
        "version": 1,
        "ca": "Test CA",
        "host": "ca1",
        "time": NOW,
        "test": False,
        "raised": [disk],
        "cleared": [crl],
        "current": [disk],
    }


async def test_webhook_without_secret_is_not_signed() -> None:
    """No secret, no header."""
    async with hook() as receiver:
        await Webhook(f"http://127.0.0.1:{receiver.port}", "", NO_TLS, 5).send(NOTICE)
        (post,) = receiver.came
    assert (post.line, "ca-supervisor-signature" in post.fields) == ("POST / HTTP/1.1", False)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("500 hunter2", "the answer is 500"),
        ("404 no", "the answer is 404"),
        ("302 elsewhere\nLocation: http://127.0.0.1:1/", "the answer is 302: redirects are not followed"),
        ("hang up", "the connection ended without an answer"),
        ("silence", "no answer within 0.3 s"),
        (f"200 ok\nX: {'x' * 40_000}", "the answer's head is too long"),
        ("nonsense\n\n", "the answer is no HTTP"),
    ],
)
async def test_webhook_that_is_not_taken(answer: str, why: str) -> None:
    """Anything but 2xx within the time is a failure; nothing that the other side says is repeated, nor the URL."""
    async with hook() as receiver:
        receiver.answers = [answer]
        with pytest.raises(NotTold) as caught:
            await Webhook(f"http://127.0.0.1:{receiver.port}/hunter2", "hunter2", NO_TLS, 0.3).send(NOTICE)
        assert len(receiver.came) == 1
    assert str(caught.value).startswith(why)
    assert "hunter2" not in str(caught.value)


async def test_webhook_nobody_listens_to() -> None:
    """It says so."""
    async with hook() as receiver:
        url = f"http://127.0.0.1:{receiver.port}"
    with pytest.raises(NotTold, match=r"^the server cannot be reached: "):
        await Webhook(url, "", NO_TLS, 5).send(NOTICE)


async def test_webhook_checks_the_server(tmp_path: Path) -> None:
    """A certificate of a CA that is not trusted ends it before anything is sent; a trusted one gets the notice."""
    certificates = Certificates(tmp_path / "a")
    async with hook(server_context(certificates)) as receiver:
        url = f"https://127.0.0.1:{receiver.port}/"
        with pytest.raises(NotTold, match=r"^the server's certificate is not trusted: "):
            await Webhook(url, "", NO_TLS, 5).send(NOTICE)
        assert receiver.came == []
        await Webhook(url, "", ssl.create_default_context(cafile=certificates.ca), 5).send(NOTICE)
        assert receiver.came[0].json["ca"] == "Test CA"


def mail(port: int, context: ssl.SSLContext = NO_TLS, tls: str = "off", user: str = "", timeout: float = 5.0) -> Mail:
    settings = MailSettings(
        host="127.0.0.1",
        port=port,
        tls=tls,
        user=user,
        sender="ca@example.org",
        to=("a@example.org", "b@example.org"),
        timeout=timeout,
    )
    return Mail(settings, "hunter2" if user else "", context)


async def test_mail_is_for_people() -> None:
    """Subject, date, text, both addresses; a line break in a text makes no header."""
    async with post_office() as office:
        await mail(office.port).send(NOTICE)
        (found,) = office.came
    assert (found.sender, found.to) == ("ca@example.org", ["a@example.org", "b@example.org"])
    assert found.mail["Subject"] == "Test CA on ca1: 1 error, 1 cleared"
    assert found.mail["To"] == "a@example.org, b@example.org"
    assert found.mail["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(str(found.mail["Date"])).timestamp() == NOW
    assert found.mail["Bcc"] is None
    text = found.mail.get_content().replace("\r\n", "\n")
    assert text.startswith(
        "New:\n- error: /data has no room\\r\\nBcc: you@example.org (since 2027-01-15 08:00:00Z)\n\n"
        "Over:\n- warning: the CRL ends (since 2027-01-15 07:59:51Z)\n\nWhat each means"
    )


@pytest.mark.parametrize("way", ["starttls", "tls"])
async def test_mail_is_encrypted_and_logged_in(tmp_path: Path, way: str) -> None:
    """With either kind of TLS, and a server that is trusted, the login goes out and the mail is taken."""
    certificates = Certificates(tmp_path / "a")
    context, trust = server_context(certificates), ssl.create_default_context(cafile=certificates.ca)
    async with post_office(
        context if way == "starttls" else None, tls=context if way == "tls" else None, login="ca:hunter2"
    ) as office:
        await mail(office.port, trust, way, "ca").send(NOTICE)
        (found,) = office.came
        assert (found.encrypted, found.user) == (True, "ca")
        with pytest.raises(NotTold, match=r"^the server's certificate is not trusted: "):
            await mail(office.port, NO_TLS, way, "ca").send(NOTICE)
        office.login = "ca:another"
        with pytest.raises(NotTold, match=r"^the server refuses the login of warnings.smtp_user \(535\)$"):
            await mail(office.port, trust, way, "ca").send(NOTICE)
        assert len(office.came) == 1


async def test_mail_goes_nowhere_without_starttls() -> None:
    """A server that does not offer what is demanded gets neither a password nor a mail."""
    async with post_office(login="ca:hunter2") as office:
        with pytest.raises(NotTold, match=r"^the mail was not taken: SMTPNotSupportedError$"):
            await mail(office.port, tls="starttls", user="ca").send(NOTICE)
        assert (office.came, office.tried) == ([], 0)


async def test_mail_counts_when_one_address_took_it() -> None:
    """One unknown address is told of, and costs the other no second mail; when all are unknown nothing was told."""
    async with post_office() as office:
        assert await mail(office.port).send(NOTICE) == ""
        office.unknown = {"b@example.org"}
        assert await mail(office.port).send(NOTICE) == "the server refuses b@example.org (550)"
        assert office.came[1].to == ["a@example.org"]
        office.unknown = {"a@example.org", "b@example.org"}
        with pytest.raises(NotTold, match=r"^the server refuses a@example.org \(550\), b@example.org \(550\)$"):
            await mail(office.port).send(NOTICE)
        office.refusals = ["451 later"]
        with pytest.raises(NotTold, match=r"^the server answers 451$"):
            await mail(office.port).send(NOTICE)
        assert len(office.came) == 2


async def test_mail_to_a_silent_server_ends() -> None:
    """A server that accepts and says nothing costs the timeout; the loop goes on meanwhile."""
    turns: list[int] = []

    async def turn() -> None:
        for number in range(10):
            await anyio.sleep(0.01)
            turns.append(number)

    async with post_office() as office, anyio.create_task_group() as group:
        office.silent = True
        group.start_soon(turn)
        with pytest.raises(NotTold, match=r"^the connection ended, or nothing was said for 0.5 s$"):
            await mail(office.port, timeout=0.5).send(NOTICE)
        assert turns == list(range(10))
