"""The version of this code, as it stands on every result."""

from importlib.metadata import version

VERSION = version("semwatchd")
