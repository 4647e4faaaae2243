"""What every image format's reader hands over, and the limits all of them keep."""

from __future__ import annotations

from dataclasses import dataclass, field

from semwatchd.adapters.raster_layout import Fetch
from semwatchd.adapters.tiff_parse import Tag, TiffFile
from semwatchd.core.errors import DataError
from semwatchd.imaging.gray import Samples, luminance

#: Decoded bytes allowed per pixel of the pixel limit; keeps float64 stacks from doubling the memory.
BYTES_PER_PIXEL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A grey picture as the file stores it, before sample types are unified and the info bar is cut."""

    samples: Samples  #: (rows, columns), any numeric dtype
    dtype: str  #: numpy name of the file's samples
    pages: int = 1
    compression: str | None = None
    warnings: tuple[str, ...] = ()
    zero_tail: int = 0  #: zero bytes at the end of uncompressed pixels, counted from 4 KiB on
    tiff: TiffFile | None = None
    directory: dict[int, Tag] = field(default_factory=dict)  #: tags of the page the picture is from


def bytes_fetch(data: bytes) -> Fetch:
    """Read from memory as from a file."""
    return lambda offset, length: data[offset : offset + length]


def require_size(width: int, height: int, samples: int, bits: int, max_pixels: int) -> None:
    """Refuse a picture too large for a worker, from its header alone."""
    container = 1 if bits <= 8 else 2 if bits <= 16 else 4 if bits <= 32 else 8
    total = width * height * samples
    if total > max_pixels or total * container > max_pixels * BYTES_PER_PIXEL:
        raise DataError(
            f"the picture is too large: {width} x {height} pixels of {samples} samples with {bits} bits; "
            f"the limit is {max_pixels} samples and {max_pixels * BYTES_PER_PIXEL} bytes"
        )


def grey_of_channels(samples: Samples) -> tuple[Samples, tuple[str, ...]]:
    """One grey picture out of grey, grey + alpha, RGB or RGBA, with a warning where colour was lost."""
    if samples.ndim == 2:
        return samples, ()
    if samples.shape[2] < 3:
        return samples[..., 0], ()
    grey, coloured = luminance(samples[..., :3])
    return grey, colour_warning(coloured, grey.size)


def colour_warning(coloured: int, total: int) -> tuple[str, ...]:
    """Tell how much of a picture was coloured."""
    if not coloured:
        return ()
    if coloured < total // 50:
        return (f"overlay: {coloured} pixels are coloured marks drawn over the grey picture",)
    return (f"coloured: {coloured} of {total} pixels are coloured; their luminance is measured",)
