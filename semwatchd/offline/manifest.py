"""What the simulated microscope is asked for, and the truth it tells. Loads no numpy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

DEPTH_NM = 150.0  #: of the holes that the tool pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """What the tool is to write, and where."""

    root: str  #: the watched folder
    reference: str  #: where :func:`write_reference` puts the reference image, outside the watched folder
    manifest: str  #: where the truth goes, outside the watched folder
    images: int  #: distinct good images
    resent: int = 0  #: images sent a second time under another name
    broken: int = 0  #: files whose end never comes
    rate_per_s: float = 8.0
    size_px: int = 1024
    seed: int = 1
    pause_s: float = 0.4  #: of the writers that pause


@dataclass(frozen=True, slots=True, kw_only=True)
class FramesSpec:
    """What a measurement of speed is fed with: distinct images and the reference they are compared with."""

    directory: str  #: gets one folder per lot
    reference: str
    images: int
    size_px: int = 1024
    seed: int = 11
    images_per_lot: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the manifest: a file, and what has to become of it."""

    path: str
    sha256: str
    writer: str
    expected: str  #: "stored", "duplicate" or "quarantined"
    dx_px: float
    dy_px: float
    finished_at: float  #: epoch seconds at which the writer was done


def read_manifest(path: Path) -> list[Entry]:
    """Entries written so far; a line still being written is left for the next time."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return [Entry(**json.loads(line)) for line in text[: text.rfind("\n") + 1].splitlines()]
