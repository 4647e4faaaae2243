"""Very many very small images, no two alike, written as fast as the disk takes them."""

from __future__ import annotations

from pathlib import Path

from tests.daemon import picture

SIZE_PX = 32
PER_FOLDER = 1000


def write_crowd(root: Path, first: int, end: int) -> None:
    """Write the images numbered from ``first`` up to, and without, ``end``."""
    content = bytearray(picture(0, SIZE_PX))
    for number in range(first, end):
        folder = root / f"LOT{number // PER_FOLDER:04d}"
        folder.mkdir(exist_ok=True)
        content[-4:] = number.to_bytes(4, "big")
        (folder / f"W01_{number:07d}.tif").write_bytes(content)
