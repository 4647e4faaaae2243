"""The command that makes data for the models, by processes of its own."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from semwatchd.cli.progress import cores, progress
from semwatchd.offline.dataset import DatasetSpec, ForeignDatasetError
from semwatchd.offline.generate import generate
from semwatchd.synth.tracks import Track

SIZES = {"a": "66x45", "b": "72x48"}


class Format(StrEnum):
    """How they are kept."""

    SHARDS = "shards"
    TIFF = "tiff"


def synth_command(
    out: Annotated[Path, typer.Option("--out", help="Folder for the data set; made if it is not there.")],
    count: Annotated[int, typer.Option(min=1, help="Scenes.")] = 1000,
    form: Annotated[
        Format, typer.Option("--format", help="Training data, or files as a tool writes them.")
    ] = (Format.SHARDS),
    track: Annotated[Track, typer.Option(help="a: contact holes of one tool; b: everything.")] = Track.B,
    size: Annotated[str | None, typer.Option(help="Rows x columns; default by track.", metavar="HxW")] = None,
    shots: Annotated[int, typer.Option(min=1, max=16, help="Frames of each scene.")] = 4,
    defects: Annotated[float, typer.Option(min=0, max=1, help="Share of scenes with a defect.")] = 0.0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default one per core.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another data set.")] = 1,
) -> None:
    """Make pictures of surfaces whose depth and defects are known. May be interrupted and started again."""
    rows, columns = _size(size or SIZES[track.value[0]])
    spec = DatasetSpec(
        track=track.value,
        count=count,
        rows=rows,
        columns=columns,
        shots=shots,
        seed=seed,
        defect_share=defects,
        format=form.value,
    )
    try:
        with progress("scenes", count) as advance:
            generate(out, spec, workers or cores(), advance)
    except ForeignDatasetError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error
    print(f"{count} scenes of {rows} x {columns} pixels in {out}")


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    rows, columns = map(int, found.groups()) if found else (0, 0)
    if not (16 <= rows <= 8192 and 16 <= columns <= 8192):
        raise typer.BadParameter(
            f"{text!r} is not rows x columns between 16 and 8192, like 66x45", param_hint="--size"
        )
    return rows, columns
