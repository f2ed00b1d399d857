"""Lines of one turn are written together; a destination that takes nothing costs lines, and never time."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from supervisor.logs.outlet.output import BACKLOG, Output
from supervisor.logs.outlet.stream import Stream


class Pipe:
    """A pipe, and an output that writes into it."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.output = Output(Stream(self.writer), lambda lines: b"lost %d\n" % lines)

    def now(self) -> bytes:
        """What can be read without waiting."""
        os.set_blocking(self.reader, False)
        try:
            return os.read(self.reader, 1 << 20)
        except BlockingIOError:
            return b""

    def until(self, enough: Callable[[bytes], bool]) -> bytes:
        """What can be read until it is enough."""
        os.set_blocking(self.reader, True)
        got = b""
        while not enough(got):
            got += os.read(self.reader, 1 << 20)
        return got


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe and its output."""
    made = Pipe()
    yield made
    made.output.close(5)
    os.close(made.reader)
    os.close(made.writer)


@pytest.mark.anyio
async def test_lines_of_a_turn_are_written_at_its_end(pipe: Pipe) -> None:
    """Nothing is written while the turn lasts; then all is, in order."""
    pipe.output.put(b"a\n")
    pipe.output.put(b"b\n")
    assert pipe.now() == b""
    await asyncio.sleep(0)
    assert pipe.now() == b"a\nb\n"
    pipe.output.put(b"c\n")
    await asyncio.sleep(0)
    assert pipe.now() == b"c\n"


@pytest.mark.anyio
async def test_warning_is_written_at_once(pipe: Pipe) -> None:
    """And what came before it, before it."""
    pipe.output.put(b"a\n")
    pipe.output.put(b"b\n", urgent=True)
    assert pipe.now() == b"a\nb\n"


@pytest.mark.anyio
async def test_long_turn_writes_before_its_end(pipe: Pipe) -> None:
    """A turn that logs without end does not gather without end."""
    for _ in range(256):
        pipe.output.put(b"a\n")
    assert pipe.now() == b"a\n" * 256


@pytest.mark.anyio
async def test_line_of_a_thread_is_written_at_once(pipe: Pipe) -> None:
    """A thread has no turns."""
    thread = threading.Thread(target=pipe.output.put, args=(b"a\n",))
    thread.start()
    thread.join()
    assert pipe.now() == b"a\n"


def test_line_of_a_loop_that_has_ended_is_not_waited_for(pipe: Pipe) -> None:
    """The next loop, and a flush, write what a loop left behind."""

    async def leave(line: bytes) -> None:
        asyncio.get_running_loop().call_soon(asyncio.get_running_loop().stop)
        pipe.output.put(line)

    for line in (b"a\n", b"b\n"):
        loop = asyncio.new_event_loop()
        task = loop.create_task(leave(line))
        loop.run_forever()
        assert task.done()
        loop.close()
    pipe.output.flush(5)
    assert pipe.now() == b"a\nb\n"


@pytest.mark.parametrize("break_it", [os.close, lambda _: None])
def test_broken_output_does_not_raise(break_it: Callable[[int], None]) -> None:
    """A reader that has gone, or a closed descriptor, stops the log and nothing else."""
    reader, writer = os.pipe()
    os.close(reader)
    output = Output(Stream(writer), lambda _: b"")
    break_it(writer)
    output.put(b"a\n")
    output.put(b"b\n")
    assert (output.dropped, output.queued) == (2, 0)
    if break_it is not os.close:
        os.close(writer)


def test_slow_reader_does_not_block_and_is_told_what_it_missed(pipe: Pipe) -> None:
    """Lines wait for a slow reader up to a bound; the rest is counted, and told of once there is room again."""
    line = b"x" * 4095 + b"\n"
    for _ in range(2000):
        pipe.output.put(line)
    missing = pipe.output.dropped
    assert BACKLOG - len(line) < pipe.output.queued <= BACKLOG
    got = pipe.until(lambda got: b"lost" in got[-64:] and got.endswith(b"\n"))
    kept = got.count(line)
    assert (f"lost {2000 - kept}\n".encode(), 2000 - kept) == (got[kept * len(line) :], missing)
    pipe.output.flush(5)  # the thread counts what it has written after it has written it
    assert (pipe.output.dropped, pipe.output.queued) == (missing, 0)


def test_missing_lines_are_told_of_where_they_are_missing(pipe: Pipe) -> None:
    """Between what was kept and what comes later; and nothing is taken before half of the backlog is free."""
    lines = [b"%06d%b\n" % (number, b"x" * 4089) for number in range(2000)]
    for line in lines:
        pipe.output.put(line)
    kept = 2000 - pipe.output.dropped
    got = pipe.until(lambda got: len(got) > BACKLOG * 3 // 4)
    pipe.output.put(b"later\n")
    got += pipe.until(lambda more: more.endswith(b"later\n"))
    assert b"".join(lines[:kept]) + b"lost %d\nlater\n" % (2000 - kept) == got


def test_each_write_has_whole_lines() -> None:
    """What stands in a pipe ends with a line at any time: a kill tears none, and standard error comes between lines."""
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # it keeps writes apart
    lines = [b"%03d%b\n" % (number, b"x" * (37 * number % 900)) for number in range(50)]
    with reader, writer:
        assert Stream(writer.fileno()).send(lines, 1) == 50
        writer.close()
        writes = list(iter(lambda: reader.recv(1 << 16), b""))
    assert b"".join(lines) == b"".join(writes)
    assert all(write.endswith(b"\n") and len(write) <= 4096 for write in writes)
    assert len(writes) < 10


def test_line_longer_than_a_pipe_arrives_whole(pipe: Pipe) -> None:
    """What is written in part is ended before the next line begins."""
    long = b"y" * (1 << 20) + b"\n"
    for line in (b"a\n", long, b"b\n"):
        pipe.output.put(line)
    assert b"a\n" + long + b"b\n" == pipe.until(lambda got: got.endswith(b"b\n"))


def test_end_does_not_wait_for_a_reader_that_stays_away() -> None:
    """The program ends in the time that it was given; what it could not write is lost."""
    pipe = Pipe()
    for _ in range(100):
        pipe.output.put(b"x" * 4095 + b"\n")
    pipe.output.close(0.01)
    os.close(pipe.reader)
    pipe.output.flush(5)
    os.close(pipe.writer)
