"""Printing settings, comparing them for a reload, and the generated files."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from supervisor.config import Change, Changes, Settings, changes, diff_for_reload, effective, load, reloaded
from supervisor.config.reference import page, sample
from supervisor.config.settings import entries

ROOT = Path(__file__).parents[3]


def read(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return load(file, {})


def keys(table: dict[str, Any], above: str = "") -> set[str]:
    found: set[str] = set()
    for key, value in table.items():
        found |= keys(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}"}
    return found


def test_effective_is_read_back_as_the_same_settings(tmp_path: Path) -> None:
    """What is printed is a config file that means the same."""
    settings = read(tmp_path, '[profiles.web]\nvalidity = "1d"\n[names]\nallow_domains = ["lan"]')
    assert settings == read(tmp_path, effective(settings))


def test_effective_hides_the_password(tmp_path: Path) -> None:
    """A password in store.url is not printed."""
    text = effective(read(tmp_path, 'store.url = "redis://u:hunter2@localhost"'))
    assert 'url = "redis://u:[hidden]@localhost"' in text
    assert "hunter2" not in text


def test_diff_tells_reload_from_restart(tmp_path: Path) -> None:
    """What the runners can take is taken now, the rest is named."""
    old = read(tmp_path, "[profiles.gone]")
    new = read(tmp_path, 'data_dir = "x"\nqueues.issue.concurrency = 1\nlogs.level = "debug"\n[profiles.web]')
    changes = diff_for_reload(old, new)
    expected = {"queues.issue.concurrency", "logs.level"}
    assert expected == {key for key in changes.now if not key.startswith("profiles.")}
    assert {"profiles.gone.validity", "profiles.web.validity"} <= set(changes.now)
    assert {"data_dir", "ca.certificate", "ca.key", "ca.chain", "crl.file"} == set(changes.restart)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", '[crl]\nfile = "/srv/crl.pem"', Changes(("crl.file",), ())),
        (
            '[acme]\ntls_names = ["a.example"]',
            '[acme]\ntls_names = ["b.example"]',
            Changes(("acme.tls_names",), ()),
        ),
        (
            '[acme]\ntls_names = ["a.example"]',
            '[acme]\ntls = "files"\ntls_certificate = "a.pem"\ntls_key = "a.key"',
            Changes((), ("acme.tls", "acme.tls_certificate", "acme.tls_key", "acme.tls_names")),
        ),
    ],
)
def test_diff_keeps_together_what_belongs_together(tmp_path: Path, old: str, new: str, expected: Changes) -> None:
    """What is said for another acme.tls or data_dir waits with it for the restart; else a reload takes it."""
    before, after = read(tmp_path, old), read(tmp_path, new)
    assert expected == diff_for_reload(before, after)
    assert expected == diff_for_reload(reloaded(before, after), after)._replace(now=expected.now)


def test_changes_have_both_values(tmp_path: Path) -> None:
    """As config.toml has them; a profile that is not there has none, and passwords are hidden."""
    old = read(tmp_path, '[store]\nurl = "redis://u:one@localhost"\n')
    new = read(tmp_path, '[store]\nurl = "redis://u:two@localhost"\n[names]\nallow_domains = ["lan"]\n[profiles.web]\n')
    found = changes(old, new)
    hidden = '"redis://u:[hidden]@localhost"'
    assert Change("store.url", hidden, hidden, restart=True) in found
    assert Change("names.allow_domains", "[]", '["lan"]', restart=False) in found
    assert Change("profiles.web.validity", "", '"90d"', restart=False) in found


def test_diff_of_equal_settings_is_empty(tmp_path: Path) -> None:
    """The same file changes nothing."""
    assert Changes((), ()) == diff_for_reload(read(tmp_path, ""), read(tmp_path, ""))


def test_reloaded_keeps_what_needs_a_restart(tmp_path: Path) -> None:
    """After a reload the old value stands where the new one needs a restart."""
    old = read(tmp_path, "")
    new = read(tmp_path, 'logs.level = "debug"\nstore.prefix = "ca:"\ndata_dir = "x"')
    both = reloaded(old, new)
    assert ("debug", "", old.data_dir) == (both.logs.level, both.store.prefix, both.data_dir)


def test_sample_mentions_every_setting() -> None:
    """config.toml has every key of the models, and no other."""
    assert {entry.key for entry in entries(Settings())} == keys(tomllib.loads(sample()))


def test_config_toml_is_up_to_date() -> None:
    """Run `python -m supervisor.config.reference` when this fails."""
    assert sample() == (ROOT / "config.toml").read_text()


def test_configuration_page_is_up_to_date() -> None:
    """Run `python -m supervisor.config.reference` when this fails."""
    assert page() == (ROOT / "docs/configuration.md").read_text()


def test_every_setting_has_a_sentence() -> None:
    """Each setting says what it does, in one sentence."""
    silent = [entry.key for entry in entries(Settings()) if not str(entry.field.description).endswith(".")]
    assert silent == []
