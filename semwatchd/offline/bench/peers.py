"""Libraries the product is compared with, and does not need itself."""

from __future__ import annotations

import importlib
from typing import Any

REMEDY = "pip install 'semwatchd[bench]'"


class PeerMissingError(Exception):
    """A library to compare with is not installed."""


def peer(module: str) -> Any:  # noqa: ANN401 — a module that type checkers need not find
    """Import a library to compare with.

    Raises
    ------
    PeerMissingError
        It is not installed; the text says what to do.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise PeerMissingError(f"{error.name} is not installed: {REMEDY}") from error


def missing(*modules: str) -> list[str]:
    """Say of each library that is not installed what to do."""
    said = []
    for module in modules:
        try:
            peer(module)
        except PeerMissingError as error:
            said.append(str(error))
    return said
