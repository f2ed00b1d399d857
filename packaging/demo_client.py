"""Gets a certificate with an ACME client that knows nothing of ca-supervisor: lego or certbot, whichever is here.

A program that demo.py runs; `make demo` brings certbot in .venv-clients where lego is not installed. The client writes
its http-01 answer below `--web`. Prints one JSON object: the client's name, and the files of its chain and key. Ends
with 1 and the client's words when it got nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, NoReturn

CERTBOT = Path(__file__).parents[1] / ".venv-clients" / "bin" / "certbot"
EMAIL = "demo@example.org"
SECONDS = 60


class Client(NamedTuple):
    """A client: its name, its command, the variable with the CA it trusts, and where its files are in its folder."""

    name: str
    command: list[str]
    trust: str
    chain: str
    key: str


def find(directory: str, name: str, web: str) -> Client | None:
    """The client of this machine, told to get a certificate for one name; None when there is none."""
    if lego := shutil.which("lego"):
        account = ["--server", directory, "--email", EMAIL, "--accept-tos", "--path", "."]
        command = [lego, *account, "--domains", name, "--http", "--http.webroot", web, "run"]
        files = f"certificates/{name}.crt", f"certificates/{name}.key"
        return Client("lego", command, "LEGO_CA_CERTIFICATES", *files)
    if CERTBOT.is_file():
        account = ["--server", directory, "--email", EMAIL, "--agree-tos", "--no-eff-email", "--non-interactive"]
        folders = ["--config-dir", "config", "--work-dir", "work", "--logs-dir", "logs"]
        command = [str(CERTBOT), "certonly", *account, *folders, "--webroot", "-w", web, "--domain", name]
        files = f"config/live/{name}/fullchain.pem", f"config/live/{name}/privkey.pem"
        return Client("certbot", command, "REQUESTS_CA_BUNDLE", *files)
    return None


def main() -> NoReturn:
    """Run the client in a folder of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", help="the DNS name")
    parser.add_argument("--directory", required=True, help="the URL of the ACME server's directory")
    parser.add_argument("--root", required=True, help="the CA that the client trusts, PEM")
    parser.add_argument("--web", required=True, help="the folder of the name's web server")
    parser.add_argument("--folder", required=True, type=Path, help="the client's folder, which is made")
    options = parser.parse_args()
    client = find(options.directory, options.name, options.web)
    if client is None:
        sys.exit("error: there is no ACME client here; `make clients` brings certbot")
    options.folder.mkdir()
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(options.folder), client.trust: options.root}
    done = subprocess.run(
        client.command,
        cwd=options.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        sys.exit(f"error: {client.name} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    files = {"chain": str(options.folder / client.chain), "key": str(options.folder / client.key)}
    sys.stdout.write(json.dumps({"client": client.name, **files}) + "\n")
    sys.exit(0)


if __name__ == "__main__":
    main()
