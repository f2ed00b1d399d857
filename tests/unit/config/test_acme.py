"""The sections acme and caa: what is refused, what stands in for an empty setting, what a reload takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.config import ConfigError, Settings, diff_for_reload, load, warnings
from supervisor.config.addresses import Address, addresses, check_host, check_http_base, check_https_base, check_listens

NO_TLS = "nothing else may see requests without TLS"
ON = '[acme]\nlisten = "127.0.0.1:14000"\nurl = "https://ca.example.org"\n'


def read(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return load(file, {})


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("", ""),
        ("0.0.0.0:443", "0.0.0.0:443"),
        ("0.0.0.0:443,[::]:443", " 0.0.0.0:443, [::0]:443"),
        ("localhost:14000", "localhost:14000"),
        ("127.0.0.1:443,127.0.0.1:444", "127.0.0.1:443,127.0.0.1:444"),
    ],
)
def test_listen_is_taken(expected: str, text: str) -> None:
    """Addresses are separated by commas and brought into one form."""
    assert expected == check_listens(text)


@pytest.mark.parametrize(
    "text",
    ["443", ":443", "10.0.0.1", "::1:443", "ca.example.org:443", "1.2.3:443", "[::1]:0", "0.0.0.0:443,", "[:::]:1"],
)
def test_listen_is_refused(text: str) -> None:
    """An address is an IP address or localhost, and has a port."""
    with pytest.raises(ValueError, match="must be empty or addresses and ports"):
        check_listens(text)


@pytest.mark.parametrize("text", ["127.0.0.1:1,127.0.0.1:1", "0.0.0.0:1,10.0.0.1:1", "localhost:1,[::1]:1"])
def test_listen_twice_is_refused(text: str) -> None:
    """An address that another one includes is named twice."""
    with pytest.raises(ValueError, match="names the same address and port twice"):
        check_listens(text)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("", ""),
        ("https://ca.example.org", "https://CA.example.org:443/"),
        ("https://ca.example.org:8443", "https://ca.example.org:8443"),
        ("https://[2001:db8::1]", "https://[2001:DB8::1]"),
        ("https://192.0.2.1", "https://192.0.2.1"),
    ],
)
def test_url_is_taken(expected: str, text: str) -> None:
    """The URL has one form, which is that of every URL that clients get."""
    assert expected == check_https_base(text)


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("must be a URL", "ca.example.org"),
        ("must be a URL", "http://ca.example.org"),
        ("must be a URL", "https://"),
        ("must be a URL", "https://ca.example.org:0"),
        ("must be a URL", "https://ca.example.org:x"),
        ("must be a URL", "https://[::1"),
        ("no path or query", "https://ca.example.org/acme"),
        ("no path or query", "https://ca.example.org?"),
        ("no path or query", "https://ca.example.org/#x"),
        ("no user name", "https://me@ca.example.org"),
        ("must be a DNS name", "https://ca_.example..org"),
    ],
)
def test_url_is_refused(reason: str, text: str) -> None:
    """A URL is a host, and perhaps a port."""
    with pytest.raises(ValueError, match=reason):
        check_https_base(text)


def test_plain_url_is_http() -> None:
    """What certificates point at is fetched without TLS."""
    assert check_http_base("http://pki.example.org:80/") == "http://pki.example.org"
    with pytest.raises(ValueError, match=r'such as "http://ca\.example\.org"'):
        check_http_base("https://pki.example.org")


@pytest.mark.parametrize(
    "text", ["", "*.example.org", ".example.org", "a b", "a_b.example.org", "1.2.3", "2001:db8::/32"]
)
def test_host_is_refused(text: str) -> None:
    """A host is one name or one address."""
    with pytest.raises(ValueError, match="must be a DNS name or an IP address"):
        check_host(text)


@pytest.mark.parametrize(
    ("expected", "one", "other"),
    [
        (True, "0.0.0.0:1", "127.0.0.1:1"),
        (True, "localhost:1", "[::]:1"),
        (False, "0.0.0.0:1", "[::1]:1"),
        (False, "0.0.0.0:1", "0.0.0.0:2"),
        (False, "localhost:1", "10.0.0.1:1"),
        (False, "10.0.0.2:1", "10.0.0.1:1"),
    ],
)
def test_overlap(expected: bool, one: str, other: str) -> None:  # noqa: FBT001  a column of the table
    """The address of everything takes the port from the others of its IP version."""
    assert expected is addresses(one)[0].overlaps(addresses(other)[0])


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (("acme.url", "must be set when acme.listen is: clients are given URLs that begin with it"),
         '[acme]\nlisten = "0.0.0.0:443"'),
        (("acme.http_listen", "has no effect without acme.listen"), '[acme]\nhttp_listen = "0.0.0.0:80"'),
        (("acme.http_listen", "has an address and port that acme.listen has too"),
         f'{ON}http_listen = "0.0.0.0:14000"'),
        (("admin.listen", "must be a loopback address or a unix socket, or admin.token_file must name a token"),
         '[admin]\nlisten = "0.0.0.0:8470"'),
        (("admin.token_file", "has no effect without admin.listen"), '[admin]\ntoken_file = "token"'),
        (("acme.listen", "has an address and port that admin.listen has too"),
         f'{ON}[admin]\nlisten = "127.0.0.1:14000"'),
        (("ca.name", "must be letters, digits, dots, - and _ when acme.listen is set: the CRL's URL has it"),
         f'ca.name = "a b"\n{ON}'),
        (("ca.name", "must be letters, digits, dots, - and _ when acme.listen is set: the CRL's URL has it"),
         f'ca.name = ""\n{ON}'),
        (("acme.http_url", "has no effect without acme.http_listen"), f'{ON}http_url = "http://pki.example.org"'),
        (("acme.listen", f'must be loopback addresses when acme.tls is "off": {NO_TLS}'),
         '[acme]\nlisten = "127.0.0.1:1,10.0.0.1:1"\nurl = "https://ca.example.org"\ntls = "off"'),
        (("acme.tls_key", 'must name a file when acme.tls is "files"'),
         f'{ON}tls = "files"\ntls_certificate = "ca.pem"'),
        (("acme.tls_certificate", 'has no effect unless acme.tls is "files"'), f'{ON}tls_certificate = "ca.pem"'),
        (("acme.tls_names", 'has no effect unless acme.tls is "own"'),
         f'{ON}tls = "off"\ntls_names = ["ca.example.org"]'),
        (("caa.identities", "must name this CA when caa.check is true"), "[caa]\ncheck = true"),
        (("acme.tls", 'must be one of own, files, off, did you mean "own"?'), f'{ON}tls = "on"'),
        (("acme.max_body", "must be at most 1MiB"), f'{ON}max_body = "2MiB"'),
        (("acme.wait", 'must be a duration with a unit, such as "2s"'), f"{ON}wait = 2"),
        (("acme.eab_require", "unknown key, did you mean acme.eab_required?"), f"{ON}eab_require = true"),
        (("acme.limits.new_orders.count", "must be at least 0"), f"{ON}limits.new_orders.count = -1"),
        (("acme.limits.new_order", "unknown key, did you mean acme.limits.new_orders?"),
         f"{ON}limits.new_order.count = 1"),
        (("acme.trusted_proxies[0]", 'has host bits set; write "10.0.0.0/8"'),
         f'{ON}trusted_proxies = ["10.0.0.1/8"]'),
        (("acme.limits.new_accounts", "must be a table"), f"{ON}limits.new_accounts = 5"),
        (("acme.tls_names[1]", 'must be a DNS name or an IP address, such as "ca.example.org" or "192.0.2.1"'),
         f'{ON}tls_names = ["ca.example.org", "*.example.org"]'),
    ],
)  # fmt: skip
def test_one_problem(tmp_path: Path, expected: tuple[str, str], text: str) -> None:
    """One mistake gives one line with the key and the reason."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert [expected] == [(problem.key, problem.reason) for problem in caught.value.problems]


def test_server_is_off_by_default(tmp_path: Path) -> None:
    """Without [acme] there is no server, and no URL for certificates."""
    acme = read(tmp_path, "").acme
    assert (acme.on, acme.addresses, acme.http_listen, acme.http_base) == (False, (), "", "")


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("https://ca.example.org", ON),
        ("http://ca.example.org", f'{ON}http_listen = "0.0.0.0:80"'),
        ("http://ca.example.org:8080", f'{ON}http_listen = "0.0.0.0:8080"'),
        ("http://ca.example.org", f'{ON}http_listen = "127.0.0.1:8080,0.0.0.0:80"'),
        ("http://pki.example.org", f'{ON}http_listen = "127.0.0.1:8080"\nhttp_url = "http://pki.example.org"'),
        ("http://[2001:db8::1]",
         '[acme]\nlisten = "[::]:443"\nurl = "https://[2001:db8::1]:8443"\nhttp_listen = "[::]:80"'),
    ],
)  # fmt: skip
def test_plain_base(tmp_path: Path, expected: str, text: str) -> None:
    """The CRL's URL begins with http_url, with the host of url where http_listen is set, and with url without that."""
    assert expected == read(tmp_path, text).acme.http_base


def test_names_of_the_server(tmp_path: Path) -> None:
    """The server's own certificate has the host of its URL, unless it is told other names."""
    assert read(tmp_path, ON).acme.names == ("ca.example.org",)
    assert read(tmp_path, f'{ON}tls_names = ["CA.lan", "10.0.0.1"]').acme.names == ("ca.lan", "10.0.0.1")


def test_limit_by_address_behind_a_proxy_is_warned_of(tmp_path: Path) -> None:
    """All clients have the proxy's address, so that one limit is for all."""
    limited = f"{ON}limits.new_accounts.count = 5\n"
    assert [problem.key for problem in warnings(read(tmp_path, f'{limited}tls = "off"'))] == [
        "acme.limits.new_accounts.count"
    ]
    assert warnings(read(tmp_path, limited)) == []
    known = f'{limited}tls = "off"\ntrusted_proxies = ["127.0.0.1", "fd00::/8"]'
    assert warnings(read(tmp_path, known)) == []
    assert read(tmp_path, known).acme.trusted_proxies == ("127.0.0.1/32", "fd00::/8")


def test_addresses_are_parsed(tmp_path: Path) -> None:
    """Whoever listens gets hosts and ports."""
    text = '[acme]\nlisten = "0.0.0.0:443,[::]:443"\nurl = "https://ca.example.org"\n'
    assert read(tmp_path, text).acme.addresses == (Address("0.0.0.0", 443), Address("::", 443))  # noqa: S104  a text


def test_paths_are_absolute(tmp_path: Path) -> None:
    """The server's files start at the directory of the config file, other chains at data_dir."""
    text = f'ca.alternate_chains = ["cross.pem"]\n{ON}tls = "files"\ntls_certificate = "a.pem"\ntls_key = "a.key"'
    settings = read(tmp_path, text)
    assert (tmp_path / "a.pem", tmp_path / "a.key", (tmp_path / "data/cross.pem",)) == (
        settings.acme.tls_certificate,
        settings.acme.tls_key,
        settings.ca.alternate_chains,
    )


def test_addresses_and_urls_need_a_restart(tmp_path: Path) -> None:
    """What listeners and URLs are made of is taken by a restart, everything else by a reload."""
    new = read(
        tmp_path,
        '[acme]\nlisten = "127.0.0.1:1"\nurl = "https://a.example"\nhttp_listen = "127.0.0.1:2"\ntls = "off"\n'
        'http_url = "http://a.example"\nnonce_lifetime = "1m"\nwait = "1s"\nretry_after = "1s"\neab_required = true\n'
        'max_body = "1KiB"\nlimits.new_orders.count = 3',
    )
    changes = diff_for_reload(read(tmp_path, ""), new)
    assert {f"acme.{key}" for key in ("listen", "url", "http_listen", "http_url", "tls")} == set(changes.restart)
    assert {
        f"acme.{key}"
        for key in ("nonce_lifetime", "wait", "retry_after", "eab_required", "max_body", "limits.new_orders.count")
    } == set(changes.now)
