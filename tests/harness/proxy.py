"""A reverse proxy with HTTPS before a program that speaks HTTP on loopback: it counts requests, and may drop one."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from tests.harness.tls import Certificates

Moment = Literal["before", "within", "after"]
"""Before the program has the request; when it has it but nobody has its answer; when the proxy has the answer."""

Watch = Callable[[int, Moment], bool]
_OWN = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length"})
_TIMEOUT = 30.0


class Proxy(ThreadingHTTPServer):
    """Passes requests on to a port of 127.0.0.1.

    `watch(n, moment)` is asked at each moment of the n-th request (counted from 1, from when `watch` was set); when it
    says True, the client's connection is dropped without an answer. It may kill the program meanwhile.
    """

    daemon_threads = True

    def __init__(self, target: int, certificates: Certificates) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.target = target
        self.seen = 0
        self._watch: Watch = lambda _number, _moment: False
        self._lock = threading.Lock()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.server)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def set_watch(self, watch: Watch) -> None:
        """Exchange `watch`, and count anew."""
        with self._lock:
            self._watch, self.seen = watch, 0

    def next_request(self) -> tuple[int, Watch]:
        """The number of a new request, and who is asked about it."""
        with self._lock:
            self.seen += 1
            return self.seen, self._watch

    def handle_error(self, *_: object) -> None:
        """A connection that broke is the client's matter."""


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT
    server: Proxy

    def _pass_on(self) -> None:
        number, watch = self.server.next_request()
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        fields = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=_TIMEOUT)
        try:
            if watch(number, "before"):
                raise ConnectionAbortedError
            upstream.request(self.command, self.path, body or None, fields)
            if watch(number, "within"):
                raise ConnectionAbortedError
            answer = upstream.getresponse()
            content = answer.read()
            if watch(number, "after"):
                raise ConnectionAbortedError
        except (OSError, http.client.HTTPException):
            self.close_connection = True
            return
        finally:
            upstream.close()
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _OWN:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_POST = _pass_on  # noqa: N815  the names that the base class looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def proxy(target: int, certificates: Certificates) -> Iterator[Proxy]:
    """A running proxy; `server_port` is where."""
    with Proxy(target, certificates) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
