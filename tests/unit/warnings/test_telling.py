"""What a channel is owed, what is remembered over a restart, and how a notice reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from supervisor.config import Settings
from supervisor.warnings.concern import Concern, Severity
from supervisor.warnings.memory import FILE, Memory, recall, remember
from supervisor.warnings.notice import TEST, Notice, Owed, body, heading, owed
from supervisor.warnings.telling import Telling
from supervisor.warnings.webhook import NotTold, signature

NOW = 1_800_000_000


def concern(name: str, severity: Severity = Severity.WARNING) -> Concern:
    return Concern(name, severity, "", f"text of {name}", NOW)


A, B, C = concern("a"), concern("b"), concern("c")
WORSE = concern("a", Severity.ERROR)


@pytest.mark.parametrize(
    ("told", "current", "raised", "cleared"),
    [
        ((), (), (), ()),
        ((), (A, B), (A, B), ()),
        ((A,), (A, B), (B,), ()),
        ((A, B), (B, C), (C,), (A,)),
        ((A,), (WORSE,), (WORSE,), ()),
        ((WORSE,), (A,), (), ()),
    ],
)
def test_owed_is_the_difference(
    told: tuple[Concern, ...], current: tuple[Concern, ...], raised: tuple[Concern, ...], cleared: tuple[Concern, ...]
) -> None:
    """What is new or worse, and what is over."""
    assert owed(told, current) == Owed(raised, cleared)
    assert bool(owed(told, current)) is bool(raised or cleared)


class Receiver:
    """A channel that refuses as often as it is told to, and keeps what it took."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.taken: list[Notice] = []

    async def send(self, notice: Notice) -> str:
        """Take it, or not."""
        if self.refusals:
            self.refusals -= 1
            raise NotTold("no")
        self.taken.append(notice)
        return ""


class Scene:
    """A telling with one webhook; `current` is what holds now."""

    def __init__(self, receiver: Receiver, told: Mapping[str, tuple[Concern, ...]]) -> None:
        self.current: tuple[Concern, ...] = ()
        self.telling = Telling(Settings, lambda: {"webhook": receiver}, lambda: self.current, told, lambda: NOW + 0.5)


@pytest.mark.anyio
async def test_what_gathers_while_a_receiver_is_away_is_one_notice() -> None:
    """Two tries fail; the third has all that is true then, and nothing of what came and went."""
    receiver = Receiver(2)
    scene = Scene(receiver, {})
    for scene.current in ((A,), (A, B)):
        assert not await scene.telling.tell("webhook")
    scene.current = (A, C)
    assert await scene.telling.tell("webhook")
    assert not await scene.telling.tell("webhook")
    assert [(notice.time, notice.raised, notice.cleared) for notice in receiver.taken] == [(NOW, (A, C), ())]
    scene.current = (C,)
    assert await scene.telling.tell("webhook")
    assert (receiver.taken[1].raised, receiver.taken[1].cleared) == ((), (A,))


@pytest.mark.anyio
async def test_restart_tells_nothing_again() -> None:
    """What the file says that was told is not told; what was not, is."""
    receiver = Receiver(0)
    scene = Scene(receiver, {"webhook": (A, B)})
    scene.current = (A, B)
    assert not await scene.telling.tell("webhook")
    scene.current = (B, C)
    assert await scene.telling.tell("webhook")
    assert (receiver.taken[0].raised, receiver.taken[0].cleared) == ((C,), (A,))


@pytest.mark.anyio
async def test_channel_that_is_not_set_is_owed_nothing() -> None:
    """Nobody is told, and nothing is noted as told."""
    scene = Scene(Receiver(0), {})
    scene.current = (A,)
    assert not await scene.telling.tell("mail")
    assert scene.telling.told == {}


def test_memory_is_read_back(tmp_path: Path) -> None:
    """What was remembered, for the owner only."""
    remember(tmp_path, [A, WORSE], {"webhook": (A,), "mail": ()})
    assert recall(tmp_path) == Memory((A, WORSE), {"webhook": (A,), "mail": ()})
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"current": [1]}', b"\xff"])
def test_memory_that_cannot_be_read_is_empty(tmp_path: Path, content: bytes | None) -> None:
    """A damaged file costs a notice, no more."""
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    assert recall(tmp_path) == Memory()


def test_memory_that_cannot_be_written_keeps_the_old_one(tmp_path: Path) -> None:
    """A file is put in place whole or not at all."""
    remember(tmp_path, [A], {})
    (tmp_path / f".{FILE}.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        remember(tmp_path, [B], {})
    assert recall(tmp_path).current == (A,)


@pytest.mark.parametrize(
    ("expected", "raised", "cleared"),
    [
        ("CA on h: 1 warning", (A,), ()),
        ("CA on h: 1 error, 2 warnings, 1 cleared", (WORSE, B, C), (A,)),
        ("CA on h: 2 cleared", (), (A, B)),
        ("CA on h: test", (), ()),
    ],
)
def test_heading_counts(expected: str, raised: tuple[Concern, ...], cleared: tuple[Concern, ...]) -> None:
    """The worst first."""
    assert heading(Notice(ca="CA", host="h", time=NOW, raised=raised, cleared=cleared)) == expected


def test_body_has_three_parts() -> None:
    """What is new, what is over, what is still so; a test says that it is one."""
    text = body(Notice(ca="CA", host="h", time=NOW, test=True, raised=(A,), cleared=(B,), current=(A, C)))
    assert text.split("\n")[:-2] == [
        TEST,
        "",
        "New:",
        "- warning: text of a (since 2027-01-15 08:00:00Z)",
        "",
        "Over:",
        "- warning: text of b (since 2027-01-15 08:00:00Z)",
        "",
        "Still so:",
        "- warning: text of c (since 2027-01-15 08:00:00Z)",
        "",
    ]


def test_signature_is_that_of_the_page() -> None:
    """HMAC-SHA256 over time, dot, body: a value computed elsewhere (openssl dgst -sha256 -hmac)."""
    expected = "sha256=440dfbb83aabca24d9e5027629cfd81cb45254690f8d410bb28f1cc17c990dbc"
    assert signature("secret", NOW, b'{"a":1}') == expected
