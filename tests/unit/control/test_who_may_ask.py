"""Who is answered on the control socket."""

from __future__ import annotations

import os
import socket
import struct

import pytest

from supervisor.control.listener import may_ask


@pytest.mark.parametrize(("uid", "expected"), [(0, True), (1000, True), (1001, False), (65_534, False)])
def test_only_the_same_user_and_root_may_ask(uid: int, expected: bool) -> None:  # noqa: FBT001  a row of the table
    """The group counts for nothing."""
    assert expected is may_ask(struct.pack("3i", 4242, uid, 1000), 1000)


def test_credentials_are_those_that_the_kernel_gives() -> None:
    """A process may ask itself, and is not taken for the next user."""
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        told = one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    assert may_ask(told, os.geteuid())
    assert struct.unpack("3i", told)[:2] == (os.getpid(), os.geteuid())
