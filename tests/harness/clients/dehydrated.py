"""dehydrated, from Debian: bash, curl and openssl. Web server and TLS server stand beside it, DNS behind a hook."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
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
    Server,
)
from tests.harness.clients.solving import alpn_server, web_server

_SOLVE = """
verbs = {"deploy_challenge": "set-txt", "clean_challenge": "clear-txt"}
if sys.argv[1] in verbs:
    change(verbs[sys.argv[1]], "_acme-challenge." + sys.argv[2], sys.argv[4])
"""
_ALIAS = "tested"


class Dehydrated(Renews, Revokes, ChangesContact, Deactivates):
    """`dehydrated --register`, `--cron`, `--revoke`, `--account` and `--deactivate`."""

    name: ClassVar[str] = "dehydrated"
    package: ClassVar[str] = "dehydrated"

    def __init__(self, server: Server, home: Path, binding: Credential | None = None) -> None:
        super().__init__(server, home, binding)
        self.web = home / "www"
        self.wellknown = self.web / ".well-known" / "acme-challenge"
        self.alpn = home / "alpn-certs"
        self.wellknown.mkdir(parents=True)
        self.alpn.mkdir()
        self._configure(EMAIL)

    @classmethod
    def missing(cls) -> str:
        """What this machine lacks to run it."""
        return "" if shutil.which("dehydrated") else "it is not installed (Debian: apt-get install dehydrated)"

    def issue(self, names: list[str], challenge: Challenge = "http-01") -> Issued:
        """Get a certificate: `dehydrated --cron`, after `--register` the first time."""
        if not (self.home / "accounts").is_dir():
            self._dehydrated("--register", "--accept-terms")
        wanted = [word for name in names for word in ("--domain", name)]
        return self._sign(*wanted, "--alias", _ALIAS, "--challenge", challenge)

    def renew(self, issued: Issued) -> Issued:
        """Renew though it is too early: `dehydrated --cron --force`."""
        name = (issued.chain.parent / "name").read_text()
        return self._sign("--domain", name, "--alias", _ALIAS, "--force")

    def revoke(self, issued: Issued) -> str:
        """Revoke with the account's key."""
        return self._dehydrated("--revoke", str(issued.chain.parent / "cert.pem"))

    def change_contact(self, email: str) -> str:
        """`dehydrated --account`, with another address in the config."""
        self._configure(email)
        return self._dehydrated("--account")

    def deactivate(self) -> str:
        """`dehydrated --deactivate`."""
        return self._dehydrated("--deactivate")

    def _sign(self, *arguments: str) -> Issued:
        with ExitStack() as beside:
            beside.enter_context(web_server(self.server.http_port, self.web))
            beside.enter_context(alpn_server(self.server.tls_port, self.alpn))
            self._dehydrated("--cron", *arguments)
        folder = self.home / "certs" / _ALIAS
        (folder / "name").write_text(arguments[1])
        return Issued((folder / "fullchain.pem").resolve(), (folder / "privkey.pem").resolve())

    def _dehydrated(self, *arguments: str) -> str:
        return self.run(["dehydrated", "--config", self.home / "config", *arguments])

    def _configure(self, email: str) -> None:
        lines = {
            "CA": self.server.directory,
            "CURL_OPTS": f"--cacert {self.server.trust}",
            "CONTACT_EMAIL": email,
            "BASEDIR": str(self.home),
            "WELLKNOWN": str(self.wellknown),
            "ALPNCERTDIR": str(self.alpn),
            "HOOK": str(self.dns_hook(_SOLVE)),
            "KEY_ALGO": "prime256v1",
            "KEYSIZE": "2048",
        }
        if self.binding:
            lines |= {"EAB_KID": self.binding.kid, "EAB_HMAC_KEY": self.binding.key}
        (self.home / "config").write_text("".join(f'{key}="{value}"\n' for key, value in lines.items()))
