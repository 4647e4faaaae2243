"""PNG, BMP and JPEG: header checked first, then decoded into one grey picture."""

from __future__ import annotations

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from semwatchd.adapters.picture import Decoded, bytes_fetch, grey_of_channels, require_size
from semwatchd.adapters.raster_layout import (
    BmpHeader,
    RasterHeader,
    bmp_header,
    jpeg_header,
    png_header,
    require_jpeg_end,
    require_png_end,
)
from semwatchd.core.errors import DataError
from semwatchd.imaging.gray import Samples


def decode_png(data: bytes, max_pixels: int) -> Decoded:
    """Read a PNG of any colour type."""
    header = png_header(bytes_fetch(data))
    require_size(header.width, header.height, header.samples, header.bits, max_pixels)
    require_png_end(bytes_fetch(data), len(data))
    return _decoded(imagecodecs.png_decode(data), header)


def decode_jpeg(data: bytes, max_pixels: int) -> Decoded:
    """Read a baseline or progressive JPEG."""
    header = jpeg_header(bytes_fetch(data))
    require_size(header.width, header.height, header.samples, header.bits, max_pixels)
    require_jpeg_end(bytes_fetch(data), len(data), header.data_offset)
    return _decoded(imagecodecs.jpeg8_decode(data), header)


def _decoded(samples: Samples, header: RasterHeader) -> Decoded:
    if samples.shape[:2] != (header.height, header.width):
        raise DataError(f"the picture decodes to {samples.shape}, its header says {header.height} rows")
    grey, warnings = grey_of_channels(samples)
    return Decoded(samples=grey, dtype=samples.dtype.name, warnings=warnings)


def decode_bmp(data: bytes, max_pixels: int) -> Decoded:
    """Read an uncompressed Windows bitmap of 1 to 32 bits per pixel."""
    header = bmp_header(bytes_fetch(data), len(data))
    require_size(header.width, header.height, max(1, header.bits // 8), 8, max_pixels)
    count = header.stride * header.height
    rows = np.frombuffer(data, np.uint8, count, header.data_offset).reshape(header.height, header.stride)
    rows = rows if header.top_down else rows[::-1]
    colours = _bmp_colours(rows, header) if header.bits > 8 else _bmp_palette(data, rows, header)
    grey, warnings = grey_of_channels(colours)
    return Decoded(samples=grey, dtype="uint8", warnings=warnings)


def _bmp_colours(rows: NDArray[np.uint8], header: BmpHeader) -> Samples:
    channels = header.bits // 8
    used = rows[:, : header.width * channels].reshape(header.height, header.width, channels)
    return used[..., 2::-1]


def _bmp_palette(data: bytes, rows: NDArray[np.uint8], header: BmpHeader) -> Samples:
    indices = rows[:, : header.width]
    if header.bits < 8:
        shifts = np.arange(8 - header.bits, -1, -header.bits, dtype=np.uint8)
        unpacked = (rows[..., None] >> shifts) & np.uint8((1 << header.bits) - 1)
        indices = unpacked.reshape(header.height, -1)[:, : header.width]
    entries = np.frombuffer(data, np.uint8, header.palette_size * 4, header.palette_offset).reshape(-1, 4)
    if not len(entries) or int(indices.max()) >= len(entries):
        raise DataError(f"the BMP uses palette entry {int(indices.max())} of {len(entries)}")
    colours = entries[:, 2::-1]
    if np.array_equal(colours, np.arange(len(entries), dtype=np.uint8)[:, None].repeat(3, axis=1)):
        return indices
    return colours[indices]
