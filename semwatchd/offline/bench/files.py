"""The image files a benchmark reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import tifffile

from semwatchd.adapters.probe import stamp_of
from semwatchd.core.job import Context, Job
from semwatchd.core.plan import Plan
from semwatchd.offline.writers import tiff_bytes
from semwatchd.pipeline.settings import PlanSettings, plan_from
from semwatchd.synth.beam import Scan
from semwatchd.synth.visits import REFERENCE, hole_target, visit

PIXEL_SIZE_NM = 2.0
SEED = 11

#: How tifffile is told to write each kind of file.
FORMATS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "raw": {},
        "raw, tiles of 256": {"tile": (256, 256)},
        "LZW": {"compression": "lzw"},
        "LZW, predictor": {"compression": "lzw", "predictor": 2},
        "deflate": {"compression": "zlib"},
        "deflate, predictor": {"compression": "zlib", "predictor": 2},
        "zstd": {"compression": "zstd"},
        "PackBits": {"compression": "packbits"},
        "JPEG": {"compression": "jpeg"},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A kind of frame."""

    side_px: int
    bits: Literal[8, 16]

    def __str__(self) -> str:
        return f"{self.side_px}x{self.side_px}, {self.bits} bit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Distinct frames of one target in uncompressed files, and the frame they are compared with."""

    reference: Path
    paths: Sequence[Path]

    def jobs(self) -> list[Job]:
        """Jobs as a daemon would make them, with the default plan."""
        plan = plan_from("default", PlanSettings(reference=self.reference))
        return [job_of(number, path, plan) for number, path in enumerate(self.paths)]


def make_stock(directory: Path, size: Size, images: int) -> Stock:
    """Write a reference and ``images`` frames, shifted by up to 6 px."""
    settings = Scan(rows=size.side_px, columns=size.side_px, bits=size.bits)
    target = hole_target(SEED, PIXEL_SIZE_NM, settings)
    directory.mkdir(parents=True)
    reference = directory / "reference.tif"
    reference.write_bytes(tiff_bytes(visit(target, REFERENCE).pixels, PIXEL_SIZE_NM))
    paths = [directory / f"{number}.tif" for number in range(images)]
    for number, path in enumerate(paths):
        path.write_bytes(tiff_bytes(visit(target, number).pixels, PIXEL_SIZE_NM))
    return Stock(reference=reference, paths=paths)


def write_formats(directory: Path, source: Path) -> dict[str, Path]:
    """Write one picture in every format that holds it."""
    pixels = tifffile.imread(source)
    written = {}
    for name, how in FORMATS.items():
        if name == "JPEG" and pixels.dtype.itemsize > 1:
            continue
        written[name] = directory / f"{name.replace(' ', '_')}.tif"
        tifffile.imwrite(written[name], pixels, photometric="minisblack", metadata=None, **how)
    return written


def job_of(number: int, path: Path, plan: Plan) -> Job:
    """Make a job of a file that is there."""
    stamp = stamp_of(path.stat())
    return Job(
        id=number,
        attempt=1,
        path=str(path),
        root=str(path.parent),
        size=stamp.size,
        mtime_ns=stamp.mtime_ns,
        plan=plan,
        context=Context(tool="bench"),
    )
