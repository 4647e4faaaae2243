"""Commands that measure the product itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from semwatchd.cli.exits import JsonOption
from semwatchd.cli.training import Device, DeviceOption
from semwatchd.offline.bench.child import run_bench
from semwatchd.offline.bench_journal import bench_journal
from semwatchd.offline.benchmark import bench_pipeline
from semwatchd.offline.depth.orders import require_torch

bench_app = typer.Typer(help="Measure the product itself.", no_args_is_help=True)

QuickOption = Annotated[
    bool, typer.Option("--quick", help="See whether it works; the figures are worth little.")
]


@bench_app.command("measure")
def bench_measure_command(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which all take turns.")] = 15,
    *,
    quick: QuickOption = False,
    as_json: JsonOption = False,
) -> None:
    """Time one image, beside the plain recipe and other libraries."""
    raise typer.Exit(run_bench("measure", {"rounds": rounds, "quick": quick, "as_json": as_json}))


@bench_app.command("accuracy")
def bench_accuracy_command(
    shifts: Annotated[int, typer.Option(min=2, help="Shifts per scene and signal-to-noise ratio.")] = 50,
    plots: Annotated[Path | None, typer.Option(help="Folder to draw the figures into, as PNG.")] = None,
    *,
    quick: QuickOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare shift, SNR and sharpness with the truth of simulated pictures."""
    folder = None if plots is None else str(plots)
    options = {"shifts": shifts, "plots": folder, "quick": quick, "as_json": as_json}
    raise typer.Exit(run_bench("accuracy", options))


@bench_app.command("load")
def bench_load_command(
    images: Annotated[int, typer.Option(min=10, help="Images per round.")] = 2000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which all take turns.")] = 5,
    *,
    quick: QuickOption = False,
    as_json: JsonOption = False,
) -> None:
    """Count what all cores measure, with workers pinned and not, beside a plain process pool."""
    options = {"images": images, "rounds": rounds, "quick": quick, "as_json": as_json}
    raise typer.Exit(run_bench("load", options))


@bench_app.command("depth")
def bench_depth_command(
    arch: Annotated[str, typer.Option(help="Like unet-2-16 or pix2pix-2-64.")] = "unet-2-16",
    device: DeviceOption = Device.AUTO,
    threads: Annotated[int, typer.Option(min=1, help="Of the CPU.")] = 1,
    *,
    quick: QuickOption = False,
    as_json: JsonOption = False,
) -> None:
    """Time a depth network by batch size and precision, and what handing pictures to it costs."""
    require_torch()
    options = {"architecture": arch, "device": device.value, "threads": threads}
    raise typer.Exit(run_bench("depth", {**options, "quick": quick, "as_json": as_json}))


@bench_app.command("floor")
def bench_floor_command(
    scenes: Annotated[int, typer.Option(min=1, help="Scenes to take the mean of.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="Of the scenes.")] = 13,
    *,
    as_json: JsonOption = False,
) -> None:
    """Say how small the error of a depth network could be at best, on the simulator's track a."""
    raise typer.Exit(run_bench("floor", {"scenes": scenes, "seed": seed, "as_json": as_json}))


@bench_app.command("pipeline")
def bench_pipeline_command(
    images: Annotated[int, typer.Option(min=10, help="Images to push through.")] = 2000,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes; default automatic.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Time the whole line: images of 1024 x 1024 pixels, all measurements, journal, HTTP delivery."""
    console = Console(stderr=as_json)
    raise typer.Exit(bench_pipeline(images, as_json=as_json, console=console, workers=workers))


@bench_app.command("journal")
def bench_journal_command(
    images: Annotated[int, typer.Option(min=100, help="Images to take through a new journal.")] = 5000,
    *,
    as_json: JsonOption = False,
) -> None:
    """Measure the processor time that the journal takes for one image, from first sight to delivery."""
    bench_journal(images, as_json=as_json, console=Console())
