"""Commands that work without a running daemon."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from semwatchd.adapters.silent import SilentTelemetry
from semwatchd.cli.exits import ConfigOption, JsonOption, load_or_defaults, print_json, print_json_line
from semwatchd.config import Config
from semwatchd.core.errors import ConfigError
from semwatchd.core.job import Failure, Outcome, Result
from semwatchd.core.naming import NameRules, is_sidecar
from semwatchd.core.paths import escape
from semwatchd.core.plan import Plan
from semwatchd.offline.analyze import analyze, as_record
from semwatchd.offline.backfill import backfill
from semwatchd.offline.demo import run_demo
from semwatchd.pipeline.settings import plan_from


def demo_command(
    images: Annotated[int, typer.Option(min=1, help="Images the simulated tool writes.")] = 40,
    directory: Annotated[Path | None, typer.Option("--dir", help="Where to put everything.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the whole line at work: a simulated microscope, the daemon, a receiver."""
    raise typer.Exit(run_demo(images, directory, as_json=as_json, console=Console(stderr=as_json)))


def analyze_command(
    paths: Annotated[list[str], typer.Argument(help="Image files, or folders of them.", metavar="PATH...")],
    reference: Annotated[Path | None, typer.Option(help="Measure the shift against this image.")] = None,
    plan: Annotated[str, typer.Option(help="Name of a plan in the configuration.")] = "default",
    config: ConfigOption = None,
    *,
    features: Annotated[bool, typer.Option("--features", help="Add the vector to learn from.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure files and print the numbers; a rejected file does not stop the others."""
    settings = load_or_defaults(config)
    chosen = _plan(settings, plan, reference)
    if features and "features" not in chosen.stages:
        chosen = replace(chosen, stages=(*chosen.stages, "features"))
    log = structlog.get_logger("semwatchd")
    outcomes = analyze(image_files(paths), chosen, settings.workers, SilentTelemetry(), log)
    if as_json:
        for outcome in outcomes:
            print_json_line(as_record(outcome))
    else:
        _show_outcomes(list(outcomes))


def _plan(settings: Config, name: str, reference: Path | None) -> Plan:
    if name not in settings.plans:
        raise ConfigError([f"--plan: there is no plan {name!r} (allowed: {', '.join(settings.plans)})"])
    chosen = settings.plans[name]
    if reference is not None:
        how = chosen.registration.model_copy(update={"against": "golden"})
        chosen = chosen.model_copy(update={"reference": reference, "registration": how})
    try:
        return plan_from(name, chosen)
    except OSError as error:
        raise ConfigError([f"reference {chosen.reference}: {error.strerror}"]) from error


def image_files(paths: list[str]) -> list[str]:
    """Put the files of each folder in its place, in the order of their names, less what is no image."""
    files: list[str] = []
    for path in paths:
        files += sorted(_images_below(Path(path))) if Path(path).is_dir() else [path]
    return files


def _images_below(folder: Path) -> Iterator[str]:
    rules = NameRules()
    for child in folder.rglob("*"):
        beside = is_sidecar(child.name) or rules.excluded(str(child.relative_to(folder)))
        if child.is_file() and not beside:
            yield str(child)


def _show_outcomes(outcomes: list[Outcome]) -> None:
    table = Table()
    for heading in (
        "file",
        "status",
        "vendor",
        "size px",
        "px nm",
        "SNR",
        "Tenengrad",
        "shift px",
        "remarks",
    ):
        table.add_column(heading, overflow="fold")
    for outcome in outcomes:
        cells = (escape(Path(outcome.job.path).name), *_cells(outcome))
        table.add_row(*map(Text, cells))  # as text: a file name may look like markup
    Console().print(table)


def _cells(outcome: Outcome) -> tuple[str, ...]:
    match outcome:
        case Failure():
            return ("rejected", "", "", "", "", "", "", outcome.reason)
        case Result():
            facts, shift = outcome.facts, outcome.registration
            return (
                "ok",
                facts.vendor,
                f"{facts.width}x{facts.height}",
                _figure(facts.pixel_size_nm),
                _figure(outcome.measurements.get("snr.ratio")),
                _figure(outcome.measurements.get("sharpness.tenengrad_corrected")),
                f"{_figure(shift.dx_px)}, {_figure(shift.dy_px)} {shift.status}" if shift else "",
                "; ".join(outcome.warnings),
            )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def backfill_command(
    root: Annotated[
        Path, typer.Argument(help="Folder whose images are to be measured.", exists=True, file_okay=False)
    ],
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Measure what is already there. May be repeated; what is known is not measured again."""
    summary = backfill(load_or_defaults(config), root.resolve(), Console(stderr=True))
    if as_json:
        print_json(summary.as_document())
    else:
        for name, value in summary.as_document().items():
            print(f"{name}: {value}")
    raise typer.Exit(summary.exit_code)
