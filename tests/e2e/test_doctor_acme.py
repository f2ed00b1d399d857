"""The doctor looks at the ACME server's ports, its host and its name, on a real machine."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from supervisor.config import Settings
from supervisor.config.acme import Acme
from supervisor.doctor import Level
from supervisor.doctor.door import check_host, is_local
from supervisor.doctor.finding import Finding
from supervisor.doctor.network import check_listeners
from tests.e2e.command import Place


def settings(**acme: str) -> Settings:
    return Settings.model_validate({"acme": {"url": "https://ca.example.org", **acme}})


def levels(found: list[Finding]) -> dict[str, Level]:
    return {each.check: each.level for each in found}


@pytest.mark.anyio
async def test_host_is_looked_up() -> None:
    """An address needs no name server; what cannot be found is a warning."""
    here = Acme(listen="127.0.0.1:14000", url="https://127.0.0.1:14000")
    assert levels(await check_host(here)) == {"acme.url": Level.OK}
    assert levels(await check_host(Acme(listen="127.0.0.1:1", url=f"https://{'a' * 63}.invalid"))) == {
        "acme.url": Level.WARNING
    }


def test_local_addresses() -> None:
    """Loopback is here, an address for documentation (RFC 5737) is nowhere."""
    assert (is_local("127.0.0.1"), is_local("192.0.2.1")) == (True, False)


def test_ports_of_the_server() -> None:
    """One that is taken is an error unless a supervisor runs, which has it; so is an address from elsewhere."""
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        busy, port = taken.getsockname()[1], free.getsockname()[1]
        free.close()
        made = settings(listen=f"127.0.0.1:{port},127.0.0.1:{busy}", http_listen=f"127.0.0.1:{port}")
        found = {each.check: each for each in check_listeners(made, running=False)}
        assert found["acme.listen"].seen == f"127.0.0.1:{busy} cannot be used: Address already in use"
        assert levels(list(found.values())) == {
            "admin.listen": Level.OK,
            "acme.listen": Level.ERROR,
            "acme.http_listen": Level.OK,
        }
        assert set(levels(check_listeners(made, running=True)).values()) == {Level.OK}
    (found_elsewhere,) = check_listeners(settings(listen="192.0.2.1:443"), running=False)[1:]
    assert found_elsewhere.advice == "name an address of this machine"


def test_doctor_of_an_acme_server(tmp_path: Path) -> None:
    """Its findings come with the others; a name that the CA may not issue for is an error."""
    place = Place(tmp_path)
    text = '[acme]\nlisten = "127.0.0.1:14000"\nurl = "https://{host}:14000"\n'
    place.configure(text.format(host="127.0.0.1"))
    place.ok("init", "--exclude", "closed.example")
    found = {each["check"]: each for each in place.call("doctor", "--json").json["findings"]}
    assert (found["acme.url"]["level"], found["acme.tls"]["level"]) == ("ok", "ok")
    place.configure(text.format(host="ca.closed.example"))
    found = {each["check"]: each for each in place.call("doctor", "--json").json["findings"]}
    assert found["acme.tls"]["level"] == "error"
    assert found["acme.tls"]["seen"].startswith("ca.closed.example: outside the name constraints")


def test_check_config_reads_the_files_of_the_server(tmp_path: Path) -> None:
    """A certificate that is not there is a mistake in the settings."""
    place = Place(tmp_path)
    place.configure(
        '[acme]\nlisten = "127.0.0.1:14000"\nurl = "https://localhost"\ntls = "files"\n'
        'tls_certificate = "a.pem"\ntls_key = "a.key"\n'
    )
    result = place.call("check-config", "--json")
    assert result.code == 3
    assert [each["key"] for each in result.json["error"]["problems"]] == ["acme.tls_certificate"]
