"""How a run is shown to a person: a progress bar or plain lines while it lasts, tables at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

LINE_EVERY_S = 5.0  # where no terminal can redraw a bar
ETA_PERIOD_S = 30.0  # the remaining time is judged by the speed of so many seconds, so that it does not jump

Report = Callable[[int, str], None]


@contextmanager
def progress(console: Console, total: int) -> Iterator[Report]:
    """Show how many of ``total`` are done: as a bar on a terminal, else as a line now and then."""
    if not console.is_terminal:
        yield _lines(console, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console, speed_estimate_period=ETA_PERIOD_S) as bar:
        task = bar.add_task("starting", total=total)

        def report(done: int, note: str) -> None:
            bar.update(task, completed=done, description=note)

        yield report


def show_rows(console: Console, title: str, rows: Mapping[str, str]) -> None:
    """Print names and values, one pair per line."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)
    console.print()


def show_columns(console: Console, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table whose columns but the first are figures."""
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(header):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def figure(value: float | None, unit: str, digits: int = 2) -> str:
    """Write a figure with its unit, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f} {unit}"


def _lines(console: Console, total: int) -> Report:
    last = -LINE_EVERY_S

    def report(done: int, note: str) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_EVERY_S:
            last = time.monotonic()
            console.print(f"{done}/{total} {note}", highlight=False)

    return report
