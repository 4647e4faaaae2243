"""Exit codes, as sysexits.h has them, and what all commands share."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from semwatchd.adapters.logs import configure_logging
from semwatchd.adapters.sql.schema import current_journal
from semwatchd.config import DEFAULT_PATH, Config, check_config, load_config

DONE = 0
FINDINGS = 1
USAGE = 64
TRY_LATER = 75
CONFIGURATION = 78

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="SEMWATCHD_CONFIG", help=f"Configuration; default {DEFAULT_PATH}."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def load(path: Path | None) -> Config:
    """Load the configuration a service needs, and set up the log as it says."""
    config = load_config(path or DEFAULT_PATH)
    log_to_stderr(config.log_level)
    return config


def load_or_defaults(path: Path | None) -> Config:
    """Load the configuration if there is one; the offline commands can do without."""
    if path is None and not DEFAULT_PATH.exists():
        log_to_stderr("warning")
        return check_config({})
    config = load_config(path or DEFAULT_PATH)
    log_to_stderr("warning")
    return config


def log_to_stderr(level: str) -> None:
    """Log as lines for people on a terminal, as JSON elsewhere."""
    configure_logging(json=not sys.stderr.isatty(), level=level.upper())


def existing_journal(config: Config) -> Path:
    """Return the journal's path, or say why it cannot be used."""
    return current_journal(config.state_dir)


def print_json(content: Any) -> None:  # noqa: ANN401 — whatever json takes
    """Print one JSON document, ASCII only, so that no terminal can break it."""
    sys.stdout.write(json.dumps(content, indent=2, default=str, allow_nan=False) + os.linesep)


def print_json_line(content: Any) -> None:  # noqa: ANN401
    """Print one JSON document on one line, and let the reader have it at once."""
    sys.stdout.write(json.dumps(content, allow_nan=False) + "\n")
    sys.stdout.flush()
