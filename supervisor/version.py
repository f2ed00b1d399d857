"""The version of the program."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("ca-supervisor")
except PackageNotFoundError:
    VERSION = "unpacked"
