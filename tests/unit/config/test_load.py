"""Reading config.toml and the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.config import ConfigError, Problem, Settings, data_dir, load, warnings

ROOT = Path(__file__).parents[3]


def read(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return load(file, environ or {})


def problems(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[tuple[str, str, str]]:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, environ)
    return [(problem.key, problem.value, problem.reason) for problem in caught.value.problems]


def test_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    """A file that says nothing is complete, and its paths are absolute."""
    settings = read(tmp_path, "")
    assert (
        settings.queues.testchallenge.concurrency,
        settings.queues.issue.timeout,
        settings.queues.done.timeout,
        settings.challenges.expires,
    ) == (64, 30, 10, 604_800)
    assert (tmp_path / "data", tmp_path / "data/ca/intermediate.key", (tmp_path / "data/ca/root.pem",)) == (
        settings.data_dir,
        settings.ca.key,
        settings.ca.chain,
    )


def test_partial_table_keeps_its_other_defaults(tmp_path: Path) -> None:
    """A queue of which one key is set keeps its own defaults for the rest."""
    queue = read(tmp_path, "[queues.done]\nconcurrency = 1").queues.done
    assert (queue.concurrency, queue.timeout) == (1, 10)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """Files outside the CA start at the directory of the config file, absolute ones stay."""
    settings = read(tmp_path, 'data_dir = "/srv/ca"\n[keys]\nblocked_file = "blocked"\n[ca]\nkey = "/etc/ca.key"')
    assert (Path("/srv/ca"), tmp_path / "blocked", Path("/etc/ca.key"), Path("/srv/ca/ca/crl.pem")) == (
        settings.data_dir,
        settings.keys.blocked_file,
        settings.ca.key,
        settings.crl.file,
    )


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    """Wrong values, unknown keys, clashes and the environment come in one report."""
    text = """
        dta_dir = "x"
        default_profile = "short"
        [queues.issue]
        concurency = 3
        concurrency = 0
        timeout = 30
        [store]
        lease = "1s"
        password = "hunter2"
        [validation]
        allow = ["private", "lan"]
        [crl]
        renew_before = "8d"
        [logs]
        level = "inf"
        [keys]
        allowed = []
        [shutdown]
        grace = true
    """
    environ = {"CA_SUPERVISOR__QUEUES__DONE__TIMEOUT": "never", "CA_SUPERVISOR__STORE__LEASE_": "1s"}
    cidr = 'must be an address or a CIDR such as "10.0.0.0/8" or "fd00::/8"'
    where = "(set by CA_SUPERVISOR__QUEUES__DONE__TIMEOUT)"
    assert [
        ("CA_SUPERVISOR__STORE__LEASE_", '"1s"', "unknown key, did you mean store.lease?"),
        ("crl.renew_before", '"8d"', "must be shorter than crl.next_update (7d)"),
        ("default_profile", '"short"', "names no profile; there are: default"),
        ("dta_dir", '"x"', "unknown key, did you mean data_dir?"),
        ("keys.allowed", "[]", "must not be empty"),
        ("logs.level", '"inf"', 'must be one of debug, info, warning, error, did you mean "info"?'),
        (
            "queues.done.timeout",
            '"never"',
            f'must be a duration such as "500ms", "30s", "5m", "12h" or "90d" {where}',
        ),
        ("queues.issue.concurency", "3", "unknown key, did you mean queues.issue.concurrency?"),
        ("queues.issue.concurrency", "0", "must be at least 1"),
        ("queues.issue.timeout", "30", 'must be a duration with a unit, such as "30s"'),
        ("shutdown.grace", "true", 'must be a duration such as "500ms", "30s", "5m", "12h" or "90d"'),
        ("store.lease", '"1s"', "must be at least 3s"),
        ("store.password", "[hidden]", "unknown key, did you mean store.password_file?"),
        (
            "validation.allow[1]",
            '"lan"',
            f"{cidr}, or one of private, loopback, public",
        ),
    ] == sorted(problems(tmp_path, text, environ))


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (("queues", "5", "must be a table"), "queues = 5"),
        (("queues.issue", "5", "must be a table"), "queues.issue = 5"),
        (("profiles", '"x"', "must be a table"), 'profiles = "x"'),
        (("data_dir", "{...}", "must be the path of a file or directory"), "[data_dir]\nx = 1"),
        (("names.wildcards", '"yes"', "must be true or false"), 'names.wildcards = "yes"'),
        (("names.max_names", "1.0", "must be a whole number"), "names.max_names = 1.0"),
        (("names.max_names", "true", "must be a whole number"), "names.max_names = true"),
        (("ca.name", "7", "must be text in quotes"), "ca.name = 7"),
        (("challenges.types", '"dns-01"', "must be a list"), 'challenges.types = "dns-01"'),
        (("challenges.token_bytes", "15", "must be at least 16"), "challenges.token_bytes = 15"),
        (("validation.body_cap", '"2MiB"', "must be at most 1MiB"), 'validation.body_cap = "2MiB"'),
        (
            ("concurrency", "8", "unknown key, did you mean queues.makechallenge.concurrency?"),
            "concurrency = 8",
        ),
        (("tls", "{...}", "unknown key, did you mean acme.tls?"), "[tls]\na = 1"),
        (("cluster", "{...}", "unknown key"), "[cluster]\na = 1"),
        (('"a\\u001b[31m"', "1", "unknown key"), '"a\\u001b[31m" = 1'),
        (
            ("profiles.Web", '"Web"', "must be a name of lower-case letters, digits, - and _"),
            "[profiles.Web]",
        ),
        (
            ("profiles.web.validty", '"1d"', "unknown key, did you mean profiles.web.validity?"),
            '[profiles.web]\nvalidty = "1d"',
        ),
        (
            ("profiles.web.backdate", '"2h"', "must be shorter than profiles.web.validity (1h)"),
            '[profiles.web]\nvalidity = "1h"\nbackdate = "2h"',
        ),
        (
            ("queues.done.backoff", '"1h"', "must not be longer than queues.done.backoff_max (5m)"),
            'queues.done.backoff = "1h"',
        ),
        (
            ("store.one_of_several", "true", "the embedded store has one owner; set store.url"),
            "store.one_of_several = true",
        ),
        (
            ("store.username", '"ca"', "has no effect on the embedded store; set store.url"),
            'store.username = "ca"',
        ),
        (
            ("store.tls_ca_file", '"ca.pem"', "needs a store.url that begins with rediss://"),
            'store.url = "redis://localhost"\nstore.tls_ca_file = "ca.pem"',
        ),
        (
            ("store.password_file", '"p"', "there is another password in store.url; keep one"),
            'store.url = "redis://:hunter2@localhost"\nstore.password_file = "p"',
        ),
        (("store.url", '"http://u:[hidden]@h"', 'must be "embedded" or a redis://, rediss:// or unix:// URL'),
         'store.url = "http://u:hunter2@h"'),
        (
            ("keys.allowed", '["p256", "p256"]', "says the same thing twice"),
            'keys.allowed = ["p256", "p256"]',
        ),
        (("ca.key_pem", "[hidden]", "unknown key, did you mean ca.key?"),
         'ca.key_pem = "-----BEGIN PRIVATE KEY-----"'),
    ],
)  # fmt: skip
def test_one_problem(tmp_path: Path, expected: tuple[str, str, str], text: str) -> None:
    """One mistake gives one line with the key, the value and the reason."""
    assert [expected] == problems(tmp_path, text)


def test_long_value_is_cut(tmp_path: Path) -> None:
    """A value is shown on one line of at most 60 characters."""
    [(_, value, _)] = problems(tmp_path, f'logs.level = "{"x" * 5000}"')
    assert 60 == len(value)  # noqa: SIM300  expected first


@pytest.mark.parametrize(
    ("expected", "data"),
    [("is not TOML: ", b"a ="), ("cannot be read: it is not UTF-8 text", b"\xff")],
)
def test_broken_file_is_one_problem(tmp_path: Path, expected: str, data: bytes) -> None:
    """A file that cannot be parsed is refused as a whole."""
    file = tmp_path / "config.toml"
    file.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert caught.value.problems[0][:2] == ("", "")
    assert caught.value.problems[0].reason.startswith(expected)


def test_missing_file_is_named(tmp_path: Path) -> None:
    """The message names the file and why it cannot be read."""
    file = tmp_path / "config.toml"
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert f"{file}:\n  cannot be read: No such file or directory" == str(caught.value)


def test_environment_overrides_the_file(tmp_path: Path) -> None:
    """A variable wins over the file, as a TOML value or as plain text."""
    environ = {
        "CA_SUPERVISOR__QUEUES__ISSUE__CONCURRENCY": "8",
        "CA_SUPERVISOR__DATA_DIR": "/srv/ca",
        "CA_SUPERVISOR__RECOVERY__INTERVAL": '"1m"',
        "CA_SUPERVISOR__CHALLENGES__TYPES": '["dns-01"]',
        "CA_SUPERVISOR__PROFILES__WEB__VALIDITY": "30d",
        "CA_SUPERVISOR__NAMES__WILDCARDS": "false",
        "PATH": "/bin",
    }
    settings = read(tmp_path, "[queues.issue]\nconcurrency = 2", environ)
    assert (8, Path("/srv/ca"), 60, ("dns-01",), 2_592_000, False) == (
        settings.queues.issue.concurrency,
        settings.data_dir,
        settings.recovery.interval,
        settings.challenges.types,
        settings.profiles["web"].validity,
        settings.names.wildcards,
    )


@pytest.mark.parametrize(
    ("expected", "name", "text"),
    [
        (("CA_SUPERVISOR__QUEUES__ISSUE", '"1"', "names a table, not a setting"), "QUEUES__ISSUE", ""),
        (("CA_SUPERVISOR__PROFILES", '"1"', "names a table, not a setting"), "PROFILES", ""),
        (("CA_SUPERVISOR__LOGS__LEVL", '"1"', "unknown key, did you mean logs.level?"), "LOGS__LEVL", ""),
        (("CA_SUPERVISOR__LOGS__LEVEL__X", '"1"', "names no setting"), "LOGS__LEVEL__X", ""),
        (("CA_SUPERVISOR__STORE__PASSWORD", "[hidden]", "unknown key, did you mean store.password_file?"),
         "STORE__PASSWORD", ""),
    ],
)  # fmt: skip
def test_unknown_variable_is_refused(tmp_path: Path, expected: tuple[str, str, str], name: str, text: str) -> None:
    """A variable that begins like ours and names no setting is a mistake."""
    assert [expected] == problems(tmp_path, text, {f"CA_SUPERVISOR__{name}": "1"})


def test_default_profile_is_always_there(tmp_path: Path) -> None:
    """A profile of one's own is added to the default one."""
    assert list(read(tmp_path, "[profiles.web]").profiles) == ["default", "web"]


def test_settings_are_frozen(tmp_path: Path) -> None:
    """Nobody changes settings once they are read."""
    settings = read(tmp_path, "")
    with pytest.raises(ValueError, match="frozen"):
        settings.queues.issue.concurrency = 1


def test_password_in_url_is_warned_of(tmp_path: Path) -> None:
    """An inline password works, and the warning does not repeat it."""
    settings = read(tmp_path, 'store.url = "redis://:hunter2@localhost"')
    reason = "has a password in it; put it into a file and name that in store.password_file"
    assert [Problem("store.url", "redis://:[hidden]@localhost", reason)] == warnings(settings)
    assert warnings(read(tmp_path, "")) == []


def test_shipped_config_equals_the_defaults(tmp_path: Path) -> None:
    """The config.toml of the repository changes nothing."""
    assert read(tmp_path, "") == read(tmp_path, (ROOT / "config.toml").read_text())


def test_text_stands_for_the_file(tmp_path: Path) -> None:
    """What a file would mean in its place, whether it is there or not."""
    settings = load(tmp_path / "config.toml", {}, text='[keys]\nblocked_file = "blocked"\n')
    assert (settings.data_dir, settings.keys.blocked_file) == (tmp_path / "data", tmp_path / "blocked")


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("", {}, "data"),
        ('data_dir = "here"\nnames = 7\nbogus = 1\n', {}, "here"),
        ('data_dir = "here"\n', {"CA_SUPERVISOR__DATA_DIR": "there", "CA_SUPERVISOR__BOGUS": "1"}, "there"),
    ],
)
def test_data_dir_is_found_in_a_file_with_mistakes(
    tmp_path: Path, text: str, environ: dict[str, str], expected: str
) -> None:
    """Who asks the running program why it refuses a file must find it."""
    (tmp_path / "config.toml").write_text(text)
    assert tmp_path / expected == data_dir(tmp_path / "config.toml", environ)


@pytest.mark.parametrize("text", ["data_dir = 7\n", "data_dir = \n"])
def test_data_dir_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """A file that is no TOML, or names no path."""
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(ConfigError):
        data_dir(tmp_path / "config.toml", {})
