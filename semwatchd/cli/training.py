"""Commands that train networks and score them, by processes of their own, which load torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from semwatchd.cli.exits import JsonOption, print_json
from semwatchd.cli.progress import cores, progress
from semwatchd.offline.dataset import ForeignDatasetError
from semwatchd.offline.depth.orders import (
    Advance,
    Adversary,
    Loss,
    Optimiser,
    Order,
    ScoringOrder,
    Shots,
    TrainingOrder,
    WrongOrderError,
    carry_out,
)
from semwatchd.offline.depth.rows import PRESETS, PresetName
from semwatchd.offline.depth.table import TableOrder, make_table, total_steps


class Device(StrEnum):
    """What computes."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


DataOption = Annotated[
    list[Path], typer.Option("--data", help="Data set of 'semwatchd synth'; may be given more than once.")
]
ShiftOption = Annotated[
    Path | None, typer.Option("--shift", help="Data set of another microscope, to score on.")
]
DeviceOption = Annotated[Device, typer.Option(help="auto takes a GPU where one is.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Of the CPU; default one per core.")]

train_app = typer.Typer(help="Train networks on data with known truth.", no_args_is_help=True)
evaluate_app = typer.Typer(help="Score trained networks.", no_args_is_help=True)


@train_app.command("depth")
def train_depth_command(
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", help="Folder for the model, its metrics and its state.")],
    test: Annotated[
        Path | None, typer.Option(help="Data set to score on; default every tenth scene of --data.")
    ] = None,
    shift: ShiftOption = None,
    arch: Annotated[str, typer.Option(help="Like unet-2-16 or pix2pix-3-64.")] = "unet-2-16",
    loss: Annotated[Loss, typer.Option(help="What the depth is compared by.")] = Loss.HUBER_GRADIENT,
    optimiser: Annotated[Optimiser, typer.Option(help="adam: as pix2pix.")] = Optimiser.MUON,
    shots: Annotated[Shots, typer.Option(help="one frame, or the mean of any number.")] = Shots.ANY,
    defocus: Annotated[
        float, typer.Option(min=0, max=3, help="Blur half of the scenes by up to this, px.")
    ] = 0.0,
    adversary: Annotated[Adversary, typer.Option(help="Discriminator, by its loss.")] = Adversary.NONE,
    ema: Annotated[float, typer.Option(min=0, max=0.9999, help="Decay of averaged weights; 0: none.")] = 0.99,
    steps: Annotated[int, typer.Option(min=1, help="Batches.")] = 2000,
    batch: Annotated[int, typer.Option(min=2, help="Scenes in each.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Of the weights and of the order of scenes.")] = 1,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    json: JsonOption = False,  # noqa: FBT002 — an option
) -> None:
    """Train a network to tell depth. May be interrupted and started again."""
    order = TrainingOrder(
        data=tuple(map(str, data)),
        out=str(out),
        test=str(test) if test else None,
        shift=str(shift) if shift else None,
        architecture=arch,
        loss=loss,
        optimiser=optimiser,
        shots=shots,
        defocus_px=defocus,
        adversary=adversary,
        ema=ema,
        steps=steps,
        batch=batch,
        seed=seed,
        device=device.value,
        threads=threads or cores(),
    )
    with progress("steps", steps) as advance:
        result = _carried_out(order, advance)
    _print_result(result, as_json=json)
    print(f"model: {out / 'model.safetensors'}", file=sys.stderr)


@train_app.command("depth-table")
def depth_table_command(
    out: Annotated[Path, typer.Option("--out", help="Folder for the data, the trainings and the table.")],
    preset: Annotated[PresetName, typer.Option(help="small: half an hour on two cores; full: for a GPU.")] = (
        PresetName.SMALL
    ),
    device: DeviceOption = Device.AUTO,
    workers: Annotated[int | None, typer.Option(min=1, help="Trainings at a time; default by core.")] = None,
) -> None:
    """Train every variant three times and say what the numbers show. May be interrupted and resumed."""
    order = TableOrder(out=out, preset=PRESETS[preset], workers=workers or cores(), device=device.value)
    with progress("steps", total_steps(order.preset)) as advance, refusals():
        print(make_table(order, advance).read_text("utf-8"), end="")


@evaluate_app.command("depth")
def evaluate_depth_command(
    model: Annotated[Path, typer.Option("--model", help="A model.safetensors with its manifest beside it.")],
    data: Annotated[Path, typer.Option("--data", help="Data set the model was not trained on.")],
    shift: ShiftOption = None,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    json: JsonOption = False,  # noqa: FBT002 — an option
) -> None:
    """Score a trained network: RMSE, structure, level, another microscope before and after AdaBN."""
    order = ScoringOrder(
        model=str(model),
        data=str(data),
        shift=str(shift) if shift else None,
        device=device.value,
        threads=threads or cores(),
    )
    _print_result(_carried_out(order, lambda _: None), as_json=json)


def _carried_out(order: Order, advance: Advance) -> Mapping[str, Any]:
    with refusals():
        return carry_out(order, advance)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn an order that a person must change into a usage error."""
    try:
        yield
    except (WrongOrderError, ForeignDatasetError) as error:
        raise typer.BadParameter(str(error)) from error


def _print_result(result: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    for name, found in result["scores"].items():
        figures = ", ".join(f"{figure.replace('_', ' ')} {value:.3f}" for figure, value in found.items())
        print(f"{name.replace('_', ' ')}: {figures}")
    print(f"{result['images_per_s']:.0f} images/s, {result['parameters']:,} parameters")
