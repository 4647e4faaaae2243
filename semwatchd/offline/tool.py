"""A simulated microscope: writes images of one target, lot by lot, and tells the truth in a manifest.

Runs as its own process and ends by itself: ``python -m semwatchd.offline.tool TASK SPEC``, where the task is
``reference`` or ``write`` with a :class:`~semwatchd.offline.manifest.ToolSpec` as JSON, or ``frames`` with a
:class:`~semwatchd.offline.manifest.FramesSpec`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from semwatchd.offline.manifest import DEPTH_NM, Entry, FramesSpec, ToolSpec
from semwatchd.offline.writers import tiff_bytes, write
from semwatchd.synth.beam import Scan, Yield
from semwatchd.synth.edges import Roughness
from semwatchd.synth.surface import ContactHoles
from semwatchd.synth.visits import REFERENCE, Target, hole_target, visit

PIXEL_SIZE_NM = 1.5
#: Of the kind that the shipped network has learned from, so that its depths can be held against the truth.
HOLES = ContactHoles(
    pitch_nm=75.0,
    radius_nm=30.0,
    depth_nm=DEPTH_NM,
    radius_spread=0.1,
    roughness=Roughness(sigma_nm=0.6, xi_nm=30.0),
)
CONTRAST = Yield(slope_gain=0.2, charging=0.07)
SITES = 20  # per wafer
WAFERS = 2  # per lot
#: Of every 20 images so many are written in this way; what is slow is rare, as it is in a fab.
MIX = {"direct": 9, "renamed": 7, "slow": 2, "preallocated": 1, "reopened": 1}
CHANNELS = 8  # images being written at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One file the tool is going to write."""

    number: int  #: of the visit whose picture it holds
    path: Path
    writer: str
    expected: str  #: "stored", "duplicate" or "quarantined"


def plan_shots(spec: ToolSpec) -> list[Shot]:
    """Lay out every file in writing order: the good ones, the broken ones among them, the re-sent ones."""
    rng = np.random.default_rng([spec.seed, 2])
    ways = [way for way, share in MIX.items() for _ in range(share)]
    good = [
        Shot(number=number, path=_place(spec, number), writer=_way(rng, ways), expected="stored")
        for number in range(spec.images)
    ]
    bad = [
        Shot(number=number, path=_place(spec, number), writer="broken", expected="quarantined")
        for number in range(spec.images, spec.images + spec.broken)
    ]
    again = [_again(good[index]) for index in sorted(rng.choice(spec.images, spec.resent, replace=False))]
    middle = len(good) // 2
    return [*good[:middle], *bad, *good[middle:], *again]


def write_reference(spec: ToolSpec) -> None:
    """Write the image without shift that all others are compared with."""
    write("renamed", Path(spec.reference), _picture(_target(spec), REFERENCE)[0], _no_pause)


def run_tool(spec: ToolSpec) -> None:
    """Write every shot at the asked rate, and a line in the manifest for each."""
    cv2.setNumThreads(1)
    target = _target(spec)
    manifest = Path(spec.manifest)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_bytes(b"")
    with ThreadPoolExecutor(CHANNELS) as channels:
        futures = [
            channels.submit(_take, target, shot, spec.pause_s, manifest)
            for shot in _paced(plan_shots(spec), spec.rate_per_s)
        ]
        for future in futures:
            future.result()


def _target(spec: ToolSpec) -> Target:
    return _holes(spec.seed, spec.size_px)


def _take(target: Target, shot: Shot, pause_s: float, manifest: Path) -> None:
    data, dx_px, dy_px = _picture(target, shot.number)
    written = write(shot.writer, shot.path, data, lambda: time.sleep(pause_s))
    entry = Entry(
        path=str(written.path),
        sha256=written.sha256,
        writer=shot.writer,
        expected=shot.expected,
        dx_px=dx_px,
        dy_px=dy_px,
        finished_at=time.time(),
    )
    # One short write to a file opened for appending cannot mix with another channel's line.
    with manifest.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(entry)) + "\n")


def _picture(target: Target, number: int) -> tuple[bytes, float, float]:
    seen = visit(target, number)
    return tiff_bytes(seen.pixels, PIXEL_SIZE_NM, f"simulated, visit {number}"), seen.dx_px, seen.dy_px


def _place(spec: ToolSpec, number: int) -> Path:
    wafer, site = divmod(number, SITES)
    lot = wafer // WAFERS + 1
    return Path(spec.root) / f"LOT{lot:04d}" / f"W{wafer + 1:02d}_site{site + 1:03d}.tif"


def _way(rng: np.random.Generator, ways: Sequence[str]) -> str:
    return ways[int(rng.integers(len(ways)))]


def _again(shot: Shot) -> Shot:
    path = shot.path.with_name(f"{shot.path.stem}_resent.tif")
    return Shot(number=shot.number, path=path, writer="direct", expected="duplicate")


def _paced(shots: Sequence[Shot], rate_per_s: float) -> Iterator[Shot]:
    """Hand out the shots no faster than the rate."""
    start = time.monotonic()
    for index, shot in enumerate(shots):
        time.sleep(max(0.0, start + index / rate_per_s - time.monotonic()))
        yield shot


def _holes(seed: int, size_px: int) -> Target:
    settings = Scan(rows=size_px, columns=size_px, dose=200.0, spot_px=0.9, jitter_px=0.035, flat_grey=80.0)
    return hole_target(seed, PIXEL_SIZE_NM, settings, holes=HOLES, contrast=CONTRAST)


def _no_pause() -> None:
    """Stand in for a pause that nobody needs."""


def write_frames(spec: FramesSpec) -> None:
    """Write the reference and all images at once, lot by lot."""
    cv2.setNumThreads(1)
    target = _holes(spec.seed, spec.size_px)
    Path(spec.reference).write_bytes(_picture(target, REFERENCE)[0])
    for number in range(spec.images):
        lot, site = divmod(number, spec.images_per_lot)
        path = Path(spec.directory) / f"LOT{lot + 1:04d}" / f"W01_site{site + 1:03d}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_picture(target, number)[0])


def main(argv: Sequence[str]) -> int:
    """Do the task that is the first argument, as the JSON object that is the second says."""
    task, spec = argv[0], json.loads(argv[1])
    match task:
        case "reference":
            write_reference(ToolSpec(**spec))
        case "write":
            run_tool(ToolSpec(**spec))
        case "frames":
            write_frames(FramesSpec(**spec))
        case _:
            sys.stderr.write(f"unknown task {task!r} (allowed: reference, write, frames)\n")
            return 64
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
