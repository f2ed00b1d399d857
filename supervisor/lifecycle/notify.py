"""Tells systemd how the program stands (sd_notify(3)); does nothing where nobody listens."""

from __future__ import annotations

import os
import socket


def tell(state: str) -> None:
    """Send one state, such as "READY=1", to $NOTIFY_SOCKET."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as datagram:
            datagram.sendto(state.encode(), address)
    except OSError:
        return
