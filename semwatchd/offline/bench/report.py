"""Tables of figures, the same on a terminal and on the page."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from semwatchd.offline.show import show_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Names in the first column, figures in the others."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def deliver(
    document: Mapping[str, Any],
    tables: Callable[[Mapping[str, Any]], Sequence[Table]],
    console: Console,
    *,
    as_json: bool,
) -> None:
    """Print one JSON object for programs, or tables for people."""
    if as_json:
        sys.stdout.write(json.dumps(document, allow_nan=False) + "\n")
        return
    for table in tables(document):
        show_columns(console, table.title, table.header, table.rows)


def markdown(table: Table) -> str:
    """Write a table for the page."""
    align = ["---", *["--:"] * (len(table.header) - 1)]
    lines = (table.header, align, *table.rows)
    return f"**{table.title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def digits(value: float | None, places: int = 3) -> str:
    """Write a figure with so many significant digits; a dash where there is none."""
    if value is None:
        return "-"
    text = f"{value:.{places}g}"
    return f"{value:.0f}" if "e" in text and abs(value) >= 1 else text
