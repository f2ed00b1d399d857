"""The directory (RFC 8555 7.1.1): where everything is. The door answers GET with it, and POST-as-GET (RFC 8555 6.3).

It lists what works and nothing else: there is no pre-authorization (7.4.1), so no newAuthz.
"""

from __future__ import annotations

from typing import Any

import msgspec

from supervisor.acme.desk import Desk
from supervisor.acme.urls import Urls
from supervisor.config.authority import Profile
from supervisor.config.settings import Settings
from supervisor.config.values import format_duration
from supervisor.http.message import Request, Response


def directory_object(urls: Urls, settings: Settings) -> dict[str, Any]:
    """The directory as `settings` make it; what is not set up has no member in `meta`."""
    return {
        "newNonce": urls.new_nonce,
        "newAccount": urls.new_account,
        "newOrder": urls.new_order,
        "revokeCert": urls.revoke_cert,
        "keyChange": urls.key_change,
        "renewalInfo": urls.renewal_info,  # RFC 9773 3
        "meta": _meta(settings),
    }


async def get(desk: Desk, request: Request, ids: tuple[str, ...]) -> Response:  # noqa: ARG001  an Open handler
    """Answer the directory."""
    body = msgspec.json.encode(directory_object(desk.urls, desk.domain().settings))
    return Response(status=200, body=body, headers=[("Content-Type", "application/json")])


async def new_nonce(desk: Desk, request: Request, ids: tuple[str, ...]) -> Response:  # noqa: ARG001  an Open handler
    """Answer newNonce: the door attaches the nonce (RFC 8555 7.2)."""
    return Response(status=200 if request.method == "HEAD" else 204, headers=[("Cache-Control", "no-store")])


def _meta(settings: Settings) -> dict[str, Any]:
    acme = settings.acme
    meta: dict[str, Any] = {}
    if acme.terms_url:
        meta["termsOfService"] = acme.terms_url
    if acme.website:
        meta["website"] = acme.website
    if settings.caa.identities:
        meta["caaIdentities"] = list(settings.caa.identities)
    meta["externalAccountRequired"] = acme.eab_required
    # draft-ietf-acme-profiles 3: clients refuse to ask for a profile that is not advertised.
    meta["profiles"] = {name: profile.description or _described(profile) for name, profile in settings.profiles.items()}
    return meta


def _described(profile: Profile) -> str:
    return f"valid for {format_duration(profile.validity)}, {', '.join(profile.extended_key_usages)}"
