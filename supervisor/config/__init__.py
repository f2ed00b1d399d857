"""config.toml to settings. `supervisor` imports it; the domain never does, its objects are made from these.

Every setting is declared once, with its default, unit and sentence, in `program`, `authority`, `acme` or `settings`;
config.toml and docs/configuration.md are generated from that (`python -m supervisor.config.reference`).
"""

from supervisor.config.load import ENVIRONMENT, data_dir, load, read_text, warnings
from supervisor.config.problems import ConfigError, Problem
from supervisor.config.settings import Settings
from supervisor.config.show import Change, Changes, changes, diff_for_reload, effective, reloaded

__all__ = [
    "ENVIRONMENT",
    "Change",
    "Changes",
    "ConfigError",
    "Problem",
    "Settings",
    "changes",
    "data_dir",
    "diff_for_reload",
    "effective",
    "load",
    "read_text",
    "reloaded",
    "warnings",
]
