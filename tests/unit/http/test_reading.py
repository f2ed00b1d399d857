"""The reader of one connection, without a connection."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.http.message import Request
from supervisor.http.reading import Phase, Reader, Turn
from supervisor.http.settings import HttpSettings

STREAM = (
    b"POST /one?q HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    b"\r\nPOST /two HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n2\r\nyz\r\n0\r\nT: u\r\n\r\n"
    b"GET /three HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    b"GET /four HTTP/1.1\r\nHost: a\r\nContent-Length: nine\r\n\r\n"
    b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n"
)
TURNS = [
    Turn(Request("POST", "/one", "q", {"host": "a", "content-length": "3"}, b"abc", "peer", secure=True), keep=True),
    Turn(Request("POST", "/two", "", {"host": "a", "transfer-encoding": "chunked"}, b"xyz", "peer", True), keep=True),  # noqa: FBT003  one line
    Turn(Request("GET", "/three", "", {"connection": "keep-alive"}, b"", "peer", secure=True), keep=True, old=True),
    Turn(status=400, detail="the request is not valid HTTP/1.1 (RFC 9112)"),
]


def made(settings: HttpSettings = HttpSettings()) -> Reader:  # noqa: B008  it is frozen
    """A reader of a TLS connection."""
    return Reader("peer", lambda: settings, secure=True)


@given(st.lists(st.integers(min_value=1, max_value=len(STREAM)), max_size=6))
def test_turns_do_not_depend_on_how_the_bytes_are_cut(cuts: list[int]) -> None:
    """A network cuts where it likes."""
    reader = made()
    places = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(places):
        reader.feed(STREAM[start:end])
    assert list(reader.turns) == TURNS
    assert (reader.ended, reader.phase) == (True, Phase.IDLE)


def test_phases_follow_the_request() -> None:
    """Deadlines go by them."""
    reader, phases = made(), []
    for piece in (b"\r\n", b"P", b"OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n", b"\r\n", b"a", b"b"):
        reader.feed(piece)
        phases.append(reader.phase)
    assert phases == [Phase.IDLE, Phase.HEAD, Phase.HEAD, Phase.BODY, Phase.BODY, Phase.IDLE]


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    """Whatever comes is a request, a refusal or not whole yet."""
    reader = made(HttpSettings(max_target=20, max_head=50, max_body=20))
    for piece in (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", data, data):
        reader.feed(piece)
    for turn in reader.turns:
        assert (turn.request is None) == (turn.status >= 400)


@pytest.mark.parametrize("length", [b"0", b"5"])
def test_100_continue_is_wanted_only_where_a_body_comes(length: bytes) -> None:
    """RFC 9110 10.1.1."""
    reader = made()
    reader.feed(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: " + length + b"\r\n\r\n")
    assert (length == b"5") is reader.wants_continue


def test_nothing_is_read_after_the_end() -> None:
    """One refusal, the first."""
    reader = made()
    reader.refuse(408, "late")
    reader.refuse(400, "bad")
    reader.feed(STREAM)
    assert [Turn(status=408, detail="late")] == list(reader.turns)
