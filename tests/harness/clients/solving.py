"""What stands beside a client that solves no challenge itself: a web server over a folder, a TLS server for ALPN."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ALPN = "acme-tls/1"
_TIMEOUT = 10.0


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def web_server(port: int, folder: Path) -> Iterator[None]:
    """Serve the files below `folder` over HTTP, for clients that write their http-01 answer to a file."""
    with ThreadingHTTPServer(("127.0.0.1", port), partial(_Files, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def alpn_server(port: int, folder: Path) -> Iterator[None]:
    """Answer tls-alpn-01 (RFC 8737) with NAME.crt.pem and NAME.key.pem of `folder`, as they are at that moment."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, folder))
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, folder: Path) -> None:
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return  # the end of the block
        peer.settimeout(_TIMEOUT)
        with peer, suppress(OSError), _context(folder).wrap_socket(peer, server_side=True) as stream:
            stream.recv(1)


def _context(folder: Path) -> ssl.SSLContext:
    outer = _empty_context()

    def choose(stream: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> int | None:
        certificate = folder / f"{name}.crt.pem"
        if name is None or not certificate.is_file():
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        inner = _empty_context()
        inner.load_cert_chain(certificate, folder / f"{name}.key.pem")
        stream.context = inner
        return None

    outer.sni_callback = choose
    return outer


def _empty_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols([ALPN])
    return context
