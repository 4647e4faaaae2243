"""A depth map as a picture for people: colours, and a bar of known length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_PX = 1024  # along the longer side
LENGTHS_NM = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)  # that a scale bar may stand for
BAR_SHARE = 0.3  # of the picture's width, at most
STRIP_PX = 18  # below the picture, for the bar and its length
FONT_SCALE = 0.4
WHITE = (255, 255, 255)


def preview(depth_nm: NDArray[np.float32], pixel_size_nm: float | None) -> NDArray[np.uint8]:
    """Colour a map from its 1st to its 99th percentile, with a strip for the scale bar below.

    Returns
    -------
    (rows, columns, 3) in OpenCV's order blue, green, red. Maps longer than 1024 px are made smaller.
    """
    low, high = np.percentile(depth_nm, (1, 99))
    grey = np.clip((depth_nm - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
    shrink = min(1.0, MOST_PX / max(grey.shape))
    if shrink < 1:
        grey = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA).astype(np.uint8)
    coloured = cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS)
    strip = np.zeros((STRIP_PX, grey.shape[1], 3), np.uint8)
    if pixel_size_nm:
        _draw_bar(strip, pixel_size_nm / shrink)
    return np.vstack([coloured, strip]).astype(np.uint8)


def _draw_bar(strip: NDArray[np.uint8], pixel_size_nm: float) -> None:
    width_nm = strip.shape[1] * pixel_size_nm
    fitting = [length for length in LENGTHS_NM if length <= BAR_SHARE * width_nm]
    if not fitting:
        return
    end = 2 + round(fitting[-1] / pixel_size_nm)
    cv2.rectangle(strip, (2, 7), (end, 10), WHITE, cv2.FILLED)
    cv2.putText(strip, f"{fitting[-1]} nm", (end + 4, 13), cv2.FONT_HERSHEY_SIMPLEX, FONT_SCALE, WHITE)
