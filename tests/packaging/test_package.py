"""The Debian package: what it brings, that it is well made, and what an upgrade, a removal and a purge leave."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from supervisor.cli import COMMANDS
from supervisor.config.settings import Settings
from supervisor.config.show import by_table
from tests.packaging.debian import DebianRoot
from tests.packaging.package import CACHE, CONFIG, DATA, NAME, build, install, newer


@pytest.fixture(scope="module")
def package(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as built."""
    return build(binary, tmp_path_factory.mktemp("deb") / "out")


@pytest.fixture
def installed(debian_root: DebianRoot, package: Path) -> DebianRoot:
    """A Debian with the package, and with a CA."""
    install(debian_root, package)
    as_user(debian_root, "init", "--name", "Example CA")
    return debian_root


def as_user(root: DebianRoot, *words: str) -> str:
    """Run a command of the program as the service's user."""
    return root.run("setpriv", f"--reuid={NAME}", f"--regid={NAME}", "--init-groups", NAME, *words).stdout


def mode(root: DebianRoot, path: str) -> tuple[str, str, int]:
    """Owner, group and mode of a path."""
    said = root.run("stat", "--format", "%U %G %a", path).stdout.split()
    return said[0], said[1], int(said[2], 8)


def key(root: DebianRoot) -> bytes:
    """The intermediate's key."""
    return (root.path / DATA.lstrip("/") / "ca" / "intermediate.key").read_bytes()


def test_lintian_finds_nothing(package: Path) -> None:
    """No error and no warning; every override is used."""
    assert shutil.which("lintian"), "there is no lintian (Debian: apt-get install lintian)"
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", str(package)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_package_is_the_same_each_time(package: Path, binary: Path, tmp_path: Path) -> None:
    """Built at another time, in another place, with another umask: the same bytes."""
    assert build(binary, tmp_path / "again", umask="077").read_bytes() == package.read_bytes()


def test_man_pages_have_every_command_and_setting(package: Path, tmp_path: Path) -> None:
    """They are made from the program; man finds no mistake in them."""
    assert shutil.which("man"), "there is no man (Debian: apt-get install man-db)"
    subprocess.run(["dpkg-deb", "--extract", str(package), str(tmp_path)], check=True)
    texts = {}
    for page in ("man1/ca-supervisor.1.gz", "man5/ca-supervisor.toml.5.gz"):
        done = subprocess.run(
            ["man", "--warnings", "--local-file", str(tmp_path / "usr/share/man" / page)],
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "200", "MAN_KEEP_FORMATTING": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        texts[page] = done.stdout
    for command in COMMANDS:
        assert f"   {command}\n       ca-supervisor {command}" in texts["man1/ca-supervisor.1.gz"]
    for _, rows in by_table(Settings()):
        for row in rows:
            assert f"       {row.key.rpartition('.')[2]}" in texts["man5/ca-supervisor.toml.5.gz"]


def test_install_makes_user_and_directories_and_starts_nothing(installed: DebianRoot) -> None:
    """The CA's directory is its user's alone; the settings are root's; every place has what belongs there."""
    assert mode(installed, DATA) == (NAME, NAME, 0o700)
    assert mode(installed, CACHE) == (NAME, NAME, 0o700)
    assert mode(installed, "/etc/ca-supervisor") == ("root", NAME, 0o750)
    assert mode(installed, CONFIG) == ("root", "root", 0o644)
    assert installed.run("dpkg", "--verify", NAME).stdout == ""
    assert as_user(installed, "check-config").startswith(f"# {CONFIG}\n")
    enabled = [path for path in installed.files("/etc/systemd/system") if NAME in path]
    assert enabled == []


def test_completion_asks_the_program(installed: DebianRoot) -> None:
    """The script is loaded by bash, and what it offers is what the program knows."""
    script = (
        f". /usr/share/bash-completion/completions/{NAME}; complete -p {NAME};"
        f" COMP_WORDS=({NAME} quar); COMP_CWORD=1; _ca_supervisor_completion {NAME}; echo $COMPREPLY"
    )
    said = installed.run("bash", "-c", script).stdout.splitlines()
    assert "-F _ca_supervisor_completion" in said[0]
    assert said[1:] == ["quarantine"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_its_shell(package: Path, tmp_path: Path, shell: str) -> None:
    """The shell reads it without a complaint."""
    assert shutil.which(shell), f"there is no {shell} (Debian: apt-get install {shell})"
    subprocess.run(["dpkg-deb", "--extract", str(package), str(tmp_path)], check=True)
    [script] = [
        path for path in tmp_path.glob("usr/share/**/*ca-supervisor*") if shell in str(path.relative_to(tmp_path))
    ]
    done = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_upgrade_keeps_settings_and_ca(installed: DebianRoot, package: Path, tmp_path: Path) -> None:
    """What was changed in the settings stays as it is, without a question; modes that were changed stay too."""
    before = key(installed)
    config = installed.path / CONFIG.lstrip("/")
    text = config.read_text().replace("ca.example.internal", "pki.example.internal")
    config.write_text(text)
    (installed.path / "etc" / NAME).chmod(0o755)
    install(installed, newer(package, tmp_path))
    assert (config.read_text(), key(installed)) == (text, before)
    assert mode(installed, "/etc/ca-supervisor") == ("root", NAME, 0o755)
    assert installed.run("dpkg-query", "--show", "--showformat=${Status} ${Version}", NAME).stdout.endswith("-2")


def test_remove_keeps_settings_ca_and_user(installed: DebianRoot, package: Path) -> None:
    """And an installation later goes on where it was."""
    before = key(installed)
    installed.run("dpkg", "--remove", NAME)
    assert not (installed.path / "usr/bin" / NAME).exists()
    assert (installed.path / CONFIG.lstrip("/")).is_file()
    assert (key(installed), mode(installed, DATA)) == (before, (NAME, NAME, 0o700))
    install(installed, package)
    as_user(installed, "check-config")
    assert [path for path in installed.files("/etc/systemd/system") if NAME in path] == []


def test_purge_removes_settings_and_never_the_ca(installed: DebianRoot) -> None:
    """It says what it keeps and why."""
    before = key(installed)
    said = installed.run("dpkg", "--purge", NAME).stderr
    assert f"{DATA} is kept: it has the keys of the CA, which cannot be made again" in said
    assert (key(installed), mode(installed, DATA)) == (before, (NAME, NAME, 0o700))
    left = [path for folder in ("/etc", "/usr", "/lib", "/var/cache") for path in installed.files(folder)]
    assert [path for path in left if NAME in path] == []


def test_purge_without_a_ca_leaves_nothing(debian_root: DebianRoot, package: Path) -> None:
    """An empty directory is not kept."""
    install(debian_root, package)
    assert stat.S_ISDIR((debian_root.path / DATA.lstrip("/")).stat().st_mode)
    assert "is kept" not in debian_root.run("dpkg", "--purge", NAME).stderr
    assert not (debian_root.path / DATA.lstrip("/")).exists()
