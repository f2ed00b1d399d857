"""The door: from a request to its reply, through the checks of RFC 8555 6 in their order. The web server calls it.

Method, content type, the JWS's form, its url, its nonce's form, its key, the account's status, the signature; then the
nonce is spent, and then the payload is read. The nonce goes after the signature, so that nobody else can spend it. One
store round trip at the most brings the account and the session that the path names. Errors become problem documents
here and nowhere else; what nobody expected is logged whole and told as serverInternal, never in its own words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import structlog

from stages.account import Account, AccountStatus
from stages.errors import Refused, StoreUnavailable
from stages.session import Session
from stages.store.certificates import Certificate
from supervisor.acme.delivery import Handed
from supervisor.acme.desk import Asked, Desk, not_found
from supervisor.acme.jose.jws import Jws, check_url, parse, payload_object, require_jwk, require_kid, verify
from supervisor.acme.key_cache import KeyCache
from supervisor.acme.problems import AcmeProblem, from_refused, from_status, problem_response
from supervisor.acme.routes import ROUTES, Route
from supervisor.acme.urls import Kind, Place, find
from supervisor.http.message import Request, Response
from supervisor.meter import AcmeMeter

log = structlog.get_logger()

CONTENT_TYPE: Final = "application/jose+json"
CORS: Final = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "Link, Location, Replay-Nonce, Retry-After"),
)
PREFLIGHT: Final = (
    ("Access-Control-Allow-Methods", "GET, HEAD, POST"),
    ("Access-Control-Allow-Headers", "Content-Type"),
    ("Access-Control-Max-Age", "86400"),
)


_MAKERS: Final = frozenset({Kind.NEW_ACCOUNT, Kind.NEW_ORDER})


class Door:
    """The front door; `handle` and `refuse` are all that the web server needs."""

    def __init__(self, desk: Desk, monotonic: Callable[[], float], meter: AcmeMeter | None = None) -> None:
        self._desk = desk
        self._meter = meter if meter is not None else AcmeMeter()
        self._monotonic = monotonic
        self._keys = KeyCache()
        self._index = ("Link", f'<{desk.urls.directory}>;rel="index"')

    async def handle(self, request: Request) -> Response:
        """Answer one request; never raises but for cancellation."""
        began, told = self._monotonic(), _Told()
        try:
            response = await self._answer(request, told)
        except AcmeProblem as problem:
            response = self._problem(problem, told)
        except Refused as refused:
            response = self._problem(from_refused(refused), told)
        except StoreUnavailable:
            retry = ("Retry-After", str(self._desk.settings().retry_after))
            response = self._problem(from_status(503, "the CA's store is away; try again soon", [retry]), told)
        except Exception:
            log.exception("acme.failed", method=request.method, kind=told.kind, session=told.session)
            response = self._problem(AcmeProblem("serverInternal", "a fault of the CA; its log says which"), told)
        self._finish(request, told, response)
        if told.kind in _MAKERS and not told.problem:
            told.name(response)
        took = self._monotonic() - began
        self._meter.answered(told.kind, response.status, told.problem, took)
        log.info(
            "acme.request",
            method=request.method,
            kind=told.kind,
            status=response.status,
            account=told.account,
            session=told.session,
            problem=told.problem,
            duration_ms=round(took * 1000, 3),
        )
        return response

    def refuse(self, status: int, detail: str, request: Request | None = None) -> Response:
        """The reply for what the web server itself refuses, such as a body that is too long (413)."""
        response = problem_response(from_status(status, detail))
        told = _Told()
        if request is None:
            request = Request("POST", "", "", {}, b"", "", secure=False)
        self._finish(request, told, response)
        return response

    async def _answer(self, request: Request, told: _Told) -> Response:
        place = find(request.path)
        if place is None:
            raise not_found()
        told.kind = place.kind.value
        route = ROUTES[place.kind]
        method = request.method
        if method == "POST":
            return await self._post(request, place, route, told)
        if route.get is not None and method in {"GET", "HEAD"}:
            return await route.get(self._desk, request, place.ids)
        if method == "OPTIONS" and self._desk.settings().cors:
            return Response(204, headers=list(PREFLIGHT))
        raise from_status(405, f"this is not for {_shown(method)}", [("Allow", route.methods)])

    async def _post(self, request: Request, place: Place, route: Route, told: _Told) -> Response:
        kind, _, _ = request.headers.get("content-type", "").partition(";")
        if kind.strip().lower() != CONTENT_TYPE:
            raise from_status(415, f"a POST must be of the type {CONTENT_TYPE} (RFC 8555 6.2)")
        jws = parse(request.body)
        desk = self._desk
        check_url(jws, desk.urls.requested(request.path, request.query))
        nonce = desk.nonces.check(jws.nonce)
        if route.key == "kid":
            require_kid(jws)
        elif route.key == "jwk":
            require_jwk(jws)
        account: Account | None = None
        found: Session | Certificate | None = None
        if jws.jwk is not None:
            key = jws.jwk
        else:
            account, found = await self._look(jws, place)
            told.account = account.id
            key = self._keys.of(account)
        verify(jws, key)
        desk.nonces.redeem(nonce)
        desk.deliveries.returned(nonce)
        if place.session or place.serial:
            if found is None or account is None or found.account != account.id:
                raise not_found()
            told.session = place.session
        sent = payload_object(jws)
        if route.post is None:
            return await self._post_as_get(request, place, route, sent)
        asked = Asked(
            request=request,
            jws=jws,
            account=account,
            key=key,
            payload=jws.payload,
            sent=sent,
            ids=place.ids,
            session=found if isinstance(found, Session) else None,
            certificate=found if isinstance(found, Certificate) else None,
        )
        return await route.post(desk, asked)

    async def _post_as_get(self, request: Request, place: Place, route: Route, sent: dict[str, Any] | None) -> Response:
        """RFC 8555 6.3: what can be had by GET can be had by POST-as-GET too."""
        if route.get is None or sent is not None:
            raise AcmeProblem("malformed", 'payload: it must be empty ("") here (RFC 8555 6.3)')
        return await route.get(self._desk, request, place.ids)

    async def _look(self, jws: Jws, place: Place) -> tuple[Account, Session | Certificate | None]:
        """The account that signed and what the path names, a session or a certificate, in one round trip."""
        id_ = self._desk.urls.account_id(jws.kid or "")
        if not id_:
            raise AcmeProblem("accountDoesNotExist", "kid: it is not the URL of an account of this server")
        recent = self._desk.recent
        found: Session | Certificate | None
        if place.serial:
            account, found = await recent.look_for(id_, place.serial)
        else:
            account, found = await recent.look(id_, place.session)
        if account is None:
            raise AcmeProblem("accountDoesNotExist", "kid: there is no such account")
        if account.status is not AccountStatus.VALID:
            raise AcmeProblem("unauthorized", f"the account is {account.status.value} (RFC 8555 7.3.6)", status=401)
        return account, found

    def _problem(self, problem: AcmeProblem, told: _Told) -> Response:
        told.problem = problem.kind
        if told.session:
            problem.members.setdefault("instance", self._desk.urls.order(told.session))
        return problem_response(problem)

    def _finish(self, request: Request, told: _Told, response: Response) -> None:
        """What goes on every reply: the nonce, the way to the directory, and CORS where it is wanted."""
        headers = response.headers
        if request.method == "POST" or told.kind == Kind.NEW_NONCE:
            nonce = self._desk.nonces.issue()
            headers.append(("Replay-Nonce", nonce))
            if isinstance(response, Handed):
                self._desk.deliveries.give(nonce, response)
        if told.kind != Kind.DIRECTORY:
            headers.append(self._index)
        if self._desk.settings().cors:
            headers.extend(CORS)


class _Told:
    """What has become known of a request, for its reply and its line in the log."""

    __slots__ = ("account", "kind", "problem", "session")

    def __init__(self) -> None:
        self.kind = self.account = self.session = self.problem = ""

    def name(self, response: Response) -> None:
        """Note what was made: its URL is in the reply's Location."""
        id_ = next((value.rsplit("/", 1)[1] for field, value in response.headers if field == "Location"), "")
        if self.kind == Kind.NEW_ACCOUNT:
            self.account = id_
        else:
            self.session = id_


def _shown(method: str) -> str:
    return method if method.isascii() and method.isalpha() and len(method) <= 10 else "this method"  # noqa: PLR2004
