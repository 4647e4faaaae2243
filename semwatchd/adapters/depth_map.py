"""Depth maps as files: a TIFF that says what its numbers mean, and a picture of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import tifffile

from semwatchd.core.files import write_whole
from semwatchd.core.image import ImageFacts
from semwatchd.core.paths import escape, nameable
from semwatchd.core.version import VERSION
from semwatchd.imaging.preview import preview

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Depth = NDArray[np.float32]

NM_PER_LEVEL = 0.01  # 16 bits hold 655 nm, in steps far below any network's error
MOST_LEVEL = 65535
NM_PER_CM = 1e7
MOST_STEM_BYTES = 200  # a file system takes 255 for the whole name


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthFacts:
    """What a depth map must carry to be worth anything in a year."""

    source: str  #: file name of the image it was made from
    source_sha256: str
    weights_sha256: str
    architecture: str
    pixel_size_nm: float | None
    info_bar_rows: int  #: rows of the image, at its bottom, that no map has
    left_top_px: tuple[tuple[int, int], ...] = ((0, 0),)  #: where in the image each page begins

    @classmethod
    def of(
        cls,
        path: str,
        image: ImageFacts,
        *,
        weights_sha256: str,
        architecture: str,
        left_top_px: tuple[tuple[int, int], ...] = ((0, 0),),
    ) -> DepthFacts:
        """Take what is known of the image from its own facts."""
        return cls(
            source=escape(Path(path).name),
            source_sha256=image.sha256,
            weights_sha256=weights_sha256,
            architecture=architecture,
            pixel_size_nm=image.pixel_size_nm,
            info_bar_rows=image.info_bar_rows,
            left_top_px=left_top_px,
        )


def map_name(path: str, *marks: str) -> str:
    """Name the map of an image file; the marks tell it from those of other images of that name."""
    stem = nameable(Path(path).stem).encode()[:MOST_STEM_BYTES].decode("utf-8", "ignore")
    return f"{'-'.join((stem, *marks))}.depth.tif"


def write_depth_map(path: Path, depths_nm: Sequence[Depth], facts: DepthFacts) -> None:
    """Write the map as TIFF under ``path`` and its preview as PNG beside it. The map comes last, whole.

    Parameters
    ----------
    depths_nm
        (rows, columns) of each part of the image, all of one shape.

    Raises
    ------
    OSError
        The folder does not take it.
    """
    write_whole(path.with_suffix(".png"), preview_bytes(depths_nm, facts))
    write_whole(path, tiff_bytes(depths_nm, facts))


def tiff_bytes(depths_nm: Sequence[Depth], facts: DepthFacts) -> bytes:
    """Encode each part as a page of 16-bit levels of 0.01 nm, compressed by zstd; equal maps, equal bytes."""
    meaning = {"kind": "depth", "unit": "nm", "nm_per_level": NM_PER_LEVEL, **asdict(facts)}
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        for depth_nm in depths_nm:
            file.write(
                np.clip(np.rint(depth_nm / NM_PER_LEVEL), 0, MOST_LEVEL).astype(np.uint16),
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


def preview_bytes(depths_nm: Sequence[Depth], facts: DepthFacts) -> bytes:
    """Encode the preview as PNG; parts stand beside and below each other as they do in the image."""
    across = len({left for left, _ in facts.left_top_px})
    lines = [np.hstack(depths_nm[first : first + across]) for first in range(0, len(depths_nm), across)]
    together = np.vstack(lines)
    done, content = cv2.imencode(".png", preview(together, facts.pixel_size_nm))
    if not done:
        raise ValueError(f"no preview can be made of a map of {together.shape} px")
    return content.tobytes()
