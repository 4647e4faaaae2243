"""Depth maps as files: a TIFF that says what its numbers mean, and a picture of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import tifffile

from semwatchd.core.files import write_whole
from semwatchd.core.version import VERSION
from semwatchd.imaging.preview import preview

if TYPE_CHECKING:
    from numpy.typing import NDArray

NM_PER_LEVEL = 0.01  # 16 bits hold 655 nm, in steps far below any network's error
MOST_LEVEL = 65535
NM_PER_CM = 1e7


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthFacts:
    """What a depth map must carry to be worth anything in a year."""

    source: str  #: file name of the image it was made from
    source_sha256: str
    weights_sha256: str
    architecture: str
    pixel_size_nm: float | None
    info_bar_rows: int  #: rows of the image, at its bottom, that the map does not have


def write_depth_map(path: Path, depth_nm: NDArray[np.float32], facts: DepthFacts) -> None:
    """Write the map as TIFF under ``path`` and its preview as PNG beside it. The map comes last, whole.

    Raises
    ------
    OSError
        The folder does not take it.
    """
    write_whole(path.with_suffix(".png"), preview_bytes(depth_nm, facts))
    write_whole(path, tiff_bytes(depth_nm, facts))


def tiff_bytes(depth_nm: NDArray[np.float32], facts: DepthFacts) -> bytes:
    """Encode (rows, columns) as 16-bit levels of 0.01 nm, compressed by zstd; equal maps give equal bytes."""
    levels = np.clip(np.rint(depth_nm / NM_PER_LEVEL), 0, MOST_LEVEL).astype(np.uint16)
    meaning = {"kind": "depth", "unit": "nm", "nm_per_level": NM_PER_LEVEL, **asdict(facts)}
    buffer = BytesIO()
    tifffile.imwrite(
        buffer,
        levels,
        photometric="minisblack",
        compression="zstd",
        predictor=True,
        description=json.dumps(meaning),
        software=f"semwatchd {VERSION}",
        metadata=None,
        **_resolution(facts.pixel_size_nm),
    )
    return buffer.getvalue()


def _resolution(pixel_size_nm: float | None) -> dict[str, Any]:
    if pixel_size_nm is None:
        return {}
    per_cm = NM_PER_CM / pixel_size_nm
    return {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}


def preview_bytes(depth_nm: NDArray[np.float32], facts: DepthFacts) -> bytes:
    """Encode the preview as PNG."""
    done, content = cv2.imencode(".png", preview(depth_nm, facts.pixel_size_nm))
    if not done:
        raise ValueError(f"no preview can be made of a map of {depth_nm.shape} px")
    return content.tobytes()
