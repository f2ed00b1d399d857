"""An http-01 responder on loopback, so lean that it is not what is measured. Prints its port, ends with its stdin.

`python -m benchmarks.sides.responder --thumbprint TEXT`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import cast

import uvloop


class Answer(asyncio.Protocol):
    """One connection: one request, one answer, the end."""

    def __init__(self, thumbprint: bytes) -> None:
        self._thumbprint = thumbprint
        self._head = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        """Answer a whole request."""
        self._head += data
        if b"\r\n\r\n" not in self._head or self._transport is None:
            return
        token = self._head.split(b" ", 2)[1].rpartition(b"/")[2]
        body = token + b"." + self._thumbprint
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        self._transport.close()


async def serve(thumbprint: str) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answer(thumbprint.encode()), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    await ended.wait()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--thumbprint", required=True)
    uvloop.run(serve(parser.parse_args().thumbprint))


if __name__ == "__main__":
    main()
