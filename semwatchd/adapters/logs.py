"""Where log lines go: to stderr, as JSON for machines or as text for a person at a terminal."""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from semwatchd.core.paths import one_line

#: syslog's levels, which the system's journal reads from a "<N>" before the line.
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
#: Libraries that tell more at INFO than an operator can use.
QUIET = ("alembic", "httpcore", "httpx", "uvicorn", "watchdog")


def configure_logging(*, json: bool, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's lines to one place in one form.

    Parameters
    ----------
    json
        One JSON object per line; otherwise text with columns, coloured where the stream is a terminal.
    level
        DEBUG, INFO, WARNING or ERROR.
    stream
        stderr unless given: stdout belongs to the answers of the commands.
    """
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        _on_one_line,
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=_rendering(stream, json=json)
        )
    )
    logging.basicConfig(handlers=[handler], force=True)
    set_level(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def set_level(level: str) -> None:
    """Log from this level on."""
    logging.getLogger().setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


def _rendering(stream: TextIO, *, json: bool) -> list[Processor]:
    steps: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if not json:
        return [*steps, structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    renderer = structlog.processors.JSONRenderer(default=str)
    steps.append(structlog.processors.format_exc_info)
    return [*steps, _Prioritised(renderer) if _is_the_journal(stream) else renderer]


class _Prioritised:
    """Say each line's priority to the system's journal."""

    def __init__(self, renderer: Processor) -> None:
        self._renderer = renderer

    def __call__(self, logger: WrappedLogger, name: str, fields: EventDict) -> str:
        priority = PRIORITIES.get(str(fields.get("level")), PRIORITIES["info"])
        return f"<{priority}>{self._renderer(logger, name, fields)!s}"


def _is_the_journal(stream: TextIO) -> bool:
    """Compare as sd-daemon(3) asks: the variable is inherited, the stream may have been redirected since."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _on_one_line(_logger: WrappedLogger, _name: str, fields: EventDict) -> EventDict:
    """Write out what no log can carry; a name of odd bytes must neither break a line nor stop it."""
    for name, value in fields.items():
        if isinstance(value, str):
            fields[name] = one_line(value)
    return fields
