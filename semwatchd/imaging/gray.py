"""From whatever a file stores to one grey picture of three sample types.

Policy: the numbers of the file are kept. ``uint8`` and ``uint16`` stay as they are; every other number
becomes ``float32`` with the same value, rounded where float32 is coarser and limited to its range.
Only ``bool`` is stretched, to 0 and 255, so that black and white look saturated, which they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from semwatchd.core.image import Pixels

Samples = NDArray[Any]

#: Channels farther apart than this share of full scale are colour, not rounding of a JPEG.
_COLOUR_SHARE = 0.04

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def as_grey_samples(samples: Samples) -> Pixels:
    """Bring a picture to native, contiguous uint8, uint16 or float32 under the policy above."""
    if samples.dtype == np.bool_:
        return np.ascontiguousarray(samples).view(np.uint8) * np.uint8(255)
    if samples.dtype.kind == "u" and samples.dtype.itemsize <= 2:
        native = samples.dtype.newbyteorder("=")
        return cast("Pixels", np.ascontiguousarray(samples, dtype=native))
    if samples.dtype == np.float64:
        largest = float(np.finfo(np.float32).max)
        samples = np.clip(samples, -largest, largest)
    return np.ascontiguousarray(samples, dtype=np.float32)


def fill_non_finite(pixels: Pixels) -> tuple[Pixels, int]:
    """Put the lowest finite value where a float picture holds NaN or infinity; also return how many.

    Raises
    ------
    ValueError
        Where no pixel is finite.
    """
    if pixels.dtype != np.float32:
        return pixels, 0
    finite = np.isfinite(pixels)
    missing = pixels.size - int(np.count_nonzero(finite))
    if missing == pixels.size:
        raise ValueError("no pixel holds a finite number")
    if missing:
        pixels = np.where(finite, pixels, pixels[finite].min())
    return pixels, missing


def invert(samples: Samples, bits: int) -> Samples:
    """Turn a picture stored with white as zero; ``bits`` are the file's bits per sample."""
    if samples.dtype == np.bool_:
        return np.logical_not(samples)
    white = samples.dtype.type((1 << bits) - 1) if samples.dtype.kind == "u" else samples.max()
    inverted: Samples = np.subtract(white, samples)
    return inverted


def luminance(colour: Samples) -> tuple[Samples, int]:
    """Grey of a (rows, columns, 3) picture, in its own dtype, and how many pixels were coloured.

    Equal channels come back exactly. Others are weighted as ITU-R BT.601 says.
    """
    red, green, blue = colour[..., 0], colour[..., 1], colour[..., 2]
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return red, 0
    if colour.dtype in (np.uint8, np.uint16):
        grey: Samples = cv2.cvtColor(np.ascontiguousarray(colour), cv2.COLOR_RGB2GRAY)
        limit = _COLOUR_SHARE * np.iinfo(colour.dtype).max
    else:
        grey = (colour @ _LUMA).astype(colour.dtype)
        limit = _COLOUR_SHARE * float(np.nanmax(np.abs(colour.astype(np.float64))))
    spread = colour.max(axis=2) - colour.min(axis=2)
    return grey, int(np.count_nonzero(spread > limit))


def palette_grey(indices: Samples, colours: NDArray[np.uint16]) -> tuple[Samples, int]:
    """Grey of a palette picture, and how many pixels show a coloured entry.

    Parameters
    ----------
    indices
        Unsigned integers.
    colours
        Red, green and blue rows of 16-bit values (3, entries); writers that meant 8 bits are understood.

    Raises
    ------
    ValueError
        Where an index has no entry.
    """
    eight_bits: Samples = colours // 256 if colours.max() > 255 else colours
    red, green, blue = eight_bits
    levels = red.size
    plain = (red == green) & (green == blue)
    if plain.all() and np.array_equal(red, np.arange(levels)):
        return indices, 0
    table = np.where(plain, red, np.rint(_LUMA @ eight_bits)).astype(np.uint8)
    if int(indices.max()) >= levels:
        raise ValueError(f"the picture uses palette entry {int(indices.max())} of {levels}")
    used = np.bincount(indices.ravel(), minlength=levels)
    return table[indices], int(used[~plain].sum())
