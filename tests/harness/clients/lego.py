"""lego, from Debian: all three challenges by itself; dns-01 through its `exec` provider."""

from __future__ import annotations

import shutil
from typing import ClassVar

from tests.harness.clients.base import EMAIL, Challenge, Issued, Renews, Revokes

_SOLVE = """
verb, name, value = sys.argv[1:]
change({"present": "set-txt", "cleanup": "clear-txt"}[verb], name, value)
"""


class Lego(Renews, Revokes):
    """`lego run`, `renew` and `revoke`."""

    name: ClassVar[str] = "lego"
    package: ClassVar[str] = "lego"

    @classmethod
    def missing(cls) -> str:
        """What this machine lacks to run it."""
        return "" if shutil.which("lego") else "it is not installed (Debian: apt-get install lego)"

    def environment(self) -> dict[str, str]:
        """As of every client, and its trust."""
        return {**super().environment(), "LEGO_CA_CERTIFICATES": str(self.server.trust)}

    def issue(self, names: list[str], challenge: Challenge = "http-01") -> Issued:
        """Get a certificate: `lego run`."""
        self._lego(names, challenge, "run")
        return self._files(names)

    def renew(self, issued: Issued) -> Issued:
        """Renew though it is too early: `lego renew --days 9999`."""
        name = issued.chain.stem
        self._lego([name], "http-01", "renew", "--days", "9999", "--no-random-sleep")
        return self._files([name])

    def revoke(self, issued: Issued) -> str:
        """Revoke with the account's key: `lego revoke`."""
        return self._lego([issued.chain.stem], "http-01", "revoke", "--keep")

    def _lego(self, names: list[str], challenge: Challenge, *command: str) -> str:
        words = ["lego", "--path", str(self.home), "--server", self.server.directory, "--email", EMAIL, "--accept-tos"]
        words += [word for name in names for word in ("--domains", name)]
        if self.binding:
            words += ["--eab", "--kid", self.binding.kid, "--hmac", self.binding.key]
        extra = {}
        if challenge == "http-01":
            words += ["--http", "--http.port", f"127.0.0.1:{self.server.http_port}"]
        elif challenge == "tls-alpn-01":
            words += ["--tls", "--tls.port", f"127.0.0.1:{self.server.tls_port}"]
        else:
            words += ["--dns", "exec", "--dns.disable-cp", "--dns.resolvers", self.server.dns.dns]
            extra = {"EXEC_PATH": str(self.dns_hook(_SOLVE)), "EXEC_SEQUENCE_INTERVAL": "1"}
        return self.run([*words, *command], extra)

    def _files(self, names: list[str]) -> Issued:
        stem = self.home / "certificates" / names[0].replace("*", "_")
        return Issued(stem.with_name(f"{stem.name}.crt"), stem.with_name(f"{stem.name}.key"))
