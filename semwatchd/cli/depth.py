"""Commands that use networks. The work is done by a process of its own, which loads torch."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from semwatchd.adapters.host import cpu_flags
from semwatchd.cli.exits import JsonOption, print_json, print_json_line
from semwatchd.cli.offline import image_files
from semwatchd.cli.progress import cores, progress
from semwatchd.cli.training import Device, DeviceOption, ThreadsOption, refusals
from semwatchd.offline.depth.orders import CheckupOrder, MappingOrder, carry_out

MATRIX_FLAGS = ("amx_bf16", "avx512_bf16")  # that make bfloat16 fast
WITHOUT_TORCH = "not installed: pip install 'semwatchd[models]'; images are measured without depth maps"
SHOWN = ("median_nm", "level_nm", "hole_depth_nm")


def depth_command(
    images: Annotated[list[str], typer.Argument(help="Image files, or folders of them.", metavar="IMAGE...")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the maps; made if it is not there.")],
    weights: Annotated[
        Path | None, typer.Option(help="A model.safetensors with its manifest; default: those shipped.")
    ] = None,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Make a depth map of each image: a TIFF in nm, a preview, and its numbers."""
    files = image_files(images)
    order = MappingOrder(
        images=tuple(files),
        out=str(out),
        weights=str(weights) if weights else None,
        device=device.value,
        threads=threads or cores(),
    )
    with progress("images", len(files)) as advance, refusals():
        result = carry_out(order, advance)
    if as_json:
        for record in result["files"]:
            print_json_line(record)
    else:
        _show_maps(result["files"])


def _show_maps(records: Iterable[Mapping[str, Any]]) -> None:
    table = Table()
    for heading in ("file", "status", *(name.replace("_", " ") for name in SHOWN), "remarks"):
        table.add_column(heading, overflow="fold")
    for record in records:
        figures = (record["measurements"].get(f"depth.{name}") for name in SHOWN)
        shown = ("-" if figure is None else f"{figure:.4g}" for figure in figures)
        remarks = record["reason"] or "; ".join(record["warnings"])
        table.add_row(*map(Text, (Path(record["path"]).name, record["status"], *shown, remarks)))
    Console().print(table)


def doctor_command(*, threads: ThreadsOption = None, as_json: JsonOption = False) -> None:
    """Say what this machine can do with networks: torch, GPU, and how fast each way to run them is."""
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "cores": cores(),
        "cpu_flags": sorted(cpu_flags() & set(MATRIX_FLAGS)),
        "torch": None,
    }
    if find_spec("torch"):
        found |= carry_out(CheckupOrder(threads=threads or cores()), lambda _: None)
    if as_json:
        print_json(found)
    else:
        print("\n".join(_lines(found)))


def _lines(found: Mapping[str, Any]) -> Iterable[str]:
    yield f"python {found['python']}, {found['cores']} cores"
    yield f"bfloat16 instructions: {', '.join(found['cpu_flags']) or 'none'}"
    yield f"torch: {found['torch'] or WITHOUT_TORCH}"
    if not found["torch"]:
        return
    yield f"GPUs: {', '.join(map(_gpu, found['gpus'])) or 'none that torch sees'}"
    yield f"{found['architecture']}, 72 x 48 px, batches of 8, {found['threads']} thread(s):"
    for timing in found["timings"]:
        mark = " <- taken" if timing == found["chosen"] else ""
        way = " ".join(timing["way"].values())
        speed = f"{timing['ms_per_image']:.3f} ms, {1e3 / timing['ms_per_image']:.0f} images/s"
        yield f"  {way}: {speed}, {timing['deviation_nm']:.3f} nm from exact{mark}"


def _gpu(gpu: Mapping[str, Any]) -> str:
    gib = 1 << 30
    return f"{gpu['name']} ({gpu['free_bytes'] / gib:.0f} of {gpu['memory_bytes'] / gib:.0f} GiB free)"
