"""The page itself: its files as they lie in `page`, each with an ETag. For the program only.

The page runs no script and takes no style but its own files', and asks nobody but this listener.
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from importlib.resources import files
from typing import Final, NamedTuple

from supervisor.admin.door import Routes
from supervisor.http.message import Handler, Request, Response

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The Content-Security-Policy of every file: what a client has smuggled in does not run."""
TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
PLACE: Final = "/page/"


class Asset(NamedTuple):
    """A file of the page."""

    body: bytes
    kind: str
    tag: str


def page_routes() -> Routes:
    """The page at "/" and its files below "/page/"."""
    found = {item.name: item.read_bytes() for item in files("supervisor.admin").joinpath("page").iterdir()}
    routes: dict[str, Handler] = {}
    for name, body in found.items():
        kind = TYPES.get(name.rpartition(".")[2])
        if kind is not None:
            path = "/" if name == "index.html" else PLACE + name
            routes[path] = _served(Asset(body, kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"'))
    return routes


def _served(asset: Asset) -> Handler:
    fields = [
        ("Content-Type", asset.kind),
        ("ETag", asset.tag),
        ("Cache-Control", "no-cache"),  # ask each time: RFC 9111 5.2.2.4
        ("Content-Security-Policy", POLICY),
    ]

    async def handle(request: Request) -> Response:
        wanted = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
        if asset.tag in wanted or "*" in wanted:
            return Response(HTTPStatus.NOT_MODIFIED, b"", list(fields))
        return Response(HTTPStatus.OK, asset.body, list(fields))

    return handle
