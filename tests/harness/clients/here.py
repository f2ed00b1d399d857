"""Which ACME clients there are for the tests, and which of them this machine lacks. For conftest.py files."""

from __future__ import annotations

from typing import Final

from tests.harness import challtestsrv
from tests.harness.clients.base import Client
from tests.harness.clients.caddy import Caddy
from tests.harness.clients.certbot import Certbot
from tests.harness.clients.dehydrated import Dehydrated
from tests.harness.clients.lego import Lego
from tests.harness.clients.uacme import Uacme

CLIENTS: Final[dict[str, type[Client]]] = {kind.name: kind for kind in (Caddy, Certbot, Dehydrated, Lego, Uacme)}


def lacking() -> dict[str, str]:
    """What is missing, by the name of the client whose tests cannot run."""
    if not challtestsrv.is_installed():
        return dict.fromkeys(CLIENTS, "there is no pebble-challtestsrv (Debian: apt-get install pebble)")
    return {name: why for name, kind in CLIENTS.items() if (why := kind.missing())}
