"""uacme, from Debian: small, in C, and the one with account key rollover. A hook and a web server solve http-01.

It trusts what /etc/ssl/certs/ca-certificates.crt holds and nothing else, so it runs in a mount namespace of its own
where the server's CA is there.
"""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import ClassVar

from tests.harness.clients.base import (
    EMAIL,
    Challenge,
    ChangesContact,
    Credential,
    Deactivates,
    Issued,
    Renews,
    Revokes,
    RevokesByItsKey,
    RollsKey,
    Server,
)
from tests.harness.clients.solving import web_server

_STORE = "/etc/ssl/certs/ca-certificates.crt"
_TRUSTING = ("unshare", "--mount", "--map-root-user", "sh", "-c", f'mount --bind "$0" {_STORE} && exec "$@"')
_SOLVE = """
method, kind, name, token, answer = sys.argv[1:]
if kind != os.environ["CHALLENGE"]:
    sys.exit(1)
if kind == "dns-01":
    change({"begin": "set-txt"}.get(method, "clear-txt"), "_acme-challenge." + name, answer)
elif method == "begin":
    open(os.environ["WELLKNOWN"] + "/" + token, "w").write(answer)
"""


@cache
def _can_trust() -> bool:
    try:
        return subprocess.run([*_TRUSTING, _STORE, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


class Uacme(Renews, Revokes, RevokesByItsKey, ChangesContact, RollsKey, Deactivates):
    """`uacme new`, `issue`, `revoke`, `update`, `newkey` and `deactivate`."""

    name: ClassVar[str] = "uacme"
    package: ClassVar[str] = "uacme"

    def __init__(self, server: Server, home: Path, binding: Credential | None = None) -> None:
        super().__init__(server, home, binding)
        self.wellknown = home / "www" / ".well-known" / "acme-challenge"
        self.wellknown.mkdir(parents=True)
        self.conf = home / "conf"

    @classmethod
    def missing(cls) -> str:
        """What this machine lacks to run it."""
        if not shutil.which("uacme"):
            return "it is not installed (Debian: apt-get install uacme)"
        return "" if _can_trust() else f"no mount namespace can be made here in which it trusts another {_STORE}"

    def issue(self, names: list[str], challenge: Challenge = "http-01") -> Issued:
        """Get a certificate: `uacme issue`, after `uacme new` the first time."""
        if not self.conf.is_dir():
            binding = ["--eab", f"{self.binding.kid}:{self.binding.key}"] if self.binding else []
            self._uacme(*binding, "--yes", "new", EMAIL)
        return self._issue(names, challenge)

    def renew(self, issued: Issued) -> Issued:
        """Renew though it is too early: `uacme --force issue`."""
        return self._issue([issued.chain.parent.name], "http-01", "--force")

    def revoke(self, issued: Issued) -> str:
        """Revoke with the account's key."""
        return self._uacme("revoke", str(issued.chain))

    def revoke_by_its_key(self, issued: Issued) -> str:
        """Revoke with the certificate's key."""
        return self._uacme("revoke", str(issued.chain), str(issued.key))

    def change_contact(self, email: str) -> str:
        """`uacme update`."""
        return self._uacme("update", email)

    def roll_key(self) -> str:
        """`uacme newkey`."""
        return self._uacme("newkey")

    def deactivate(self) -> str:
        """`uacme deactivate`."""
        return self._uacme("deactivate")

    def _issue(self, names: list[str], challenge: Challenge, *options: str) -> Issued:
        hook = self.dns_hook(_SOLVE)
        extra = {"CHALLENGE": challenge, "WELLKNOWN": str(self.wellknown)}
        with web_server(self.server.http_port, self.home / "www"):
            self._uacme(*options, "--hook", str(hook), "--type", "EC", "issue", *names, extra=extra)
        name = names[0].removeprefix("*.")
        return Issued(self.conf / name / "cert.pem", self.conf / "private" / name / "key.pem")

    def _uacme(self, *arguments: str, extra: dict[str, str] | None = None) -> str:
        where = ("--verbose", "--acme-url", self.server.directory, "--confdir", str(self.conf))
        return self.run([*_TRUSTING, self.server.trust, "uacme", *where, *arguments], extra)
