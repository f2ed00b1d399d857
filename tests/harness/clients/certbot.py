"""certbot, from PyPI, in .venv-clients (`make clients`): http-01 by itself, dns-01 with hooks, ARI when it renews."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar

from tests.harness.clients.base import (
    EMAIL,
    Challenge,
    ChangesContact,
    Deactivates,
    Issued,
    Renews,
    Revokes,
    RevokesByItsKey,
)
from tests.harness.process import ROOT

PROGRAM = ROOT / ".venv-clients" / "bin" / "certbot"
_LINEAGE = "tested"
_SET = 'change("set-txt", "_acme-challenge." + os.environ["CERTBOT_DOMAIN"], os.environ["CERTBOT_VALIDATION"])'


class Certbot(Renews, Revokes, RevokesByItsKey, ChangesContact, Deactivates):
    """`certbot certonly`, `renew`, `revoke`, `update_account` and `unregister`, each told not to ask."""

    name: ClassVar[str] = "certbot"
    package: ClassVar[str] = ""

    @classmethod
    def missing(cls) -> str:
        """What this machine lacks to run it."""
        return "" if PROGRAM.is_file() else "there is no .venv-clients; run `make clients`"

    def environment(self) -> dict[str, str]:
        """As of every client; requests finds its trust there."""
        return {**super().environment(), "REQUESTS_CA_BUNDLE": str(self.server.trust)}

    def certbot(self, *arguments: str | Path) -> str:
        """Run one of its commands."""
        folders = [word for kind in ("config", "work", "logs") for word in (f"--{kind}-dir", self.home / kind)]
        return self.run([PROGRAM, *arguments, *folders, "--server", self.server.directory, "--non-interactive"])

    def issue(self, names: list[str], challenge: Challenge = "http-01") -> Issued:
        """Get a certificate: `certbot certonly`."""
        wanted = [word for name in names for word in ("--ip-address" if _is_address(name) else "--domain", name)]
        account = ["--agree-tos", "--email", EMAIL, "--no-eff-email"]
        if self.binding:
            account += ["--eab-kid", self.binding.kid, "--eab-hmac-key", self.binding.key]
        way: list[str | Path]
        if challenge == "dns-01":
            way = ["--manual", "--preferred-challenges", "dns", "--manual-auth-hook", self.dns_hook(_SET)]
        else:
            port = str(self.server.http_port)
            way = ["--standalone", "--http-01-address", "127.0.0.1", "--http-01-port", port]
        self.certbot("certonly", *way, *account, "--cert-name", _LINEAGE, *wanted)
        return self.current()

    def renew(self, issued: Issued) -> Issued:
        """Renew though it is too early: `certbot renew --force-renewal`."""
        assert issued.chain.exists()
        self.certbot("renew", "--cert-name", _LINEAGE, "--force-renewal", "--no-random-sleep-on-renew")
        return self.current()

    def renew_when_due(self) -> str:
        """What a timer runs each day: `certbot renew`, which asks the server's renewal information (RFC 9773)."""
        return self.certbot("renew", "--no-random-sleep-on-renew")

    def revoke(self, issued: Issued) -> str:
        """Revoke with the account's key."""
        return self.certbot("revoke", "--cert-path", issued.chain, "--no-delete-after-revoke")

    def revoke_by_its_key(self, issued: Issued) -> str:
        """Revoke with the certificate's key."""
        return self.certbot("revoke", "--cert-path", issued.chain, "--key-path", issued.key, "--no-delete-after-revoke")

    def change_contact(self, email: str) -> str:
        """`certbot update_account`."""
        return self.certbot("update_account", "--email", email, "--no-eff-email")

    def deactivate(self) -> str:
        """`certbot unregister`."""
        return self.certbot("unregister")

    def current(self) -> Issued:
        """What it has now."""
        live = self.home / "config" / "live" / _LINEAGE
        return Issued((live / "fullchain.pem").resolve(), (live / "privkey.pem").resolve())


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
