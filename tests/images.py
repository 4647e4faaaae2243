"""Small pictures on the disk, good and bad."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile


def write_image(path: Path, seed: int) -> Path:
    """Write a sound grey TIFF; another seed gives other bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (96, 128), dtype=np.uint8)
    tifffile.imwrite(path, pixels, photometric="minisblack", metadata=None)
    return path


def write_truncated(path: Path, seed: int) -> Path:
    """Write the same and cut its end off."""
    content = write_image(path, seed).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path
