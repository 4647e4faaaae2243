"""TIFF and BigTIFF into one grey picture.

Header, tables and sizes are checked by our own parser before anything is decoded. Raw strips are then
taken straight from the bytes, deflate strips are inflated with their checksums, and the rest goes to
foreign readers as a file written anew.
"""

from __future__ import annotations

import math
from operator import add

import numpy as np

from semwatchd.adapters.picture import Decoded, bytes_fetch, colour_warning, grey_of_channels, require_size
from semwatchd.adapters.tiff_data import COMPRESSIONS, PICTURES, PageData, require_full
from semwatchd.adapters.tiff_deflate import inflated
from semwatchd.adapters.tiff_foreign import by_libtiff, by_tifffile
from semwatchd.adapters.tiff_layout import ZERO_TAIL_BYTES
from semwatchd.adapters.tiff_page import Page, first_class, page_of, raw_pixels_end, segments_of
from semwatchd.adapters.tiff_parse import parse, require_values_inside
from semwatchd.core.errors import DataError
from semwatchd.imaging.gray import Samples, invert, palette_grey

_DEFLATE = frozenset({8, 32946})
_LIBTIFF = frozenset({5, 32773, 34926, 50000})  # fastest there, and these carry no checksum to lose


def decode_tiff(data: bytes, max_pixels: int) -> Decoded:
    """Read the largest full page of a TIFF.

    Raises
    ------
    DataError
        Where header or tables are wrong. Codecs may raise anything else; the caller is the edge.
    """
    file = parse(bytes_fetch(data), len(data))
    pages = first_class(file)
    directory = max(pages, key=lambda tags: file.integer(tags, 256) * file.integer(tags, 257))
    page = page_of(file, directory)
    _require_readable(page)
    require_size(page.width, page.height, page.samples, page.bits, max_pixels)
    padded_rows = -(-page.height // page.segment_height) * page.segment_height  # tiles may reach far beyond
    require_size(page.across * page.segment_width, padded_rows, page.samples, page.bits, 2 * max_pixels)
    offsets, counts = segments_of(file, directory, page)
    require_values_inside(file)
    raw_pixels_end(file, (tags for tags in file.directories if tags is not directory))
    source = PageData(data=data, file=file, directory=directory, page=page, offsets=offsets, counts=counts)
    samples, notes = _samples(source)
    if samples.shape != source.shape or samples.dtype.kind not in "buif":
        raise DataError(
            f"the page decodes to {samples.shape} {samples.dtype}, its header says {source.shape}"
        )
    grey, warnings = _grey(source, samples)
    return Decoded(
        samples=grey,
        dtype=samples.dtype.name,
        pages=len(pages),
        compression=COMPRESSIONS[page.compression],
        warnings=notes + warnings,
        zero_tail=_zero_tail(data, max(map(add, offsets, counts))) if page.compression == 1 else 0,
        tiff=file,
        directory=directory,
    )


def _require_readable(page: Page) -> None:
    if page.compression not in COMPRESSIONS:
        raise DataError(f"compression {page.compression} is not read here")
    if page.photometric == 5:
        raise DataError("the page holds printing inks (CMYK), not a grey picture")
    if page.sample_format in {5, 6}:
        raise DataError("the page holds complex numbers, not a grey picture")


def _samples(source: PageData) -> tuple[Samples, tuple[str, ...]]:
    page = source.page
    if page.compression == 1 and source.is_plain and page.predictor == 1 and page.photometric != 6:
        return _raw(source), ()
    whole_bytes = page.fill_order != 2 and page.bits in {8, 16}
    grey_integers = whole_bytes and page.samples == 1 and page.sample_format != 3 and page.predictor in {1, 2}
    if page.compression in _DEFLATE and grey_integers and not page.tiled:
        return inflated(source)
    raw_tiles = page.tiled and page.compression == page.predictor == 1
    if grey_integers and (raw_tiles or page.compression in _LIBTIFF):
        return by_libtiff(source), ()
    return by_tifffile(source), ()


def _raw(source: PageData) -> Samples:
    data, offsets = source.data, source.offsets
    wanted = require_full(source)
    start = offsets[0]
    if tuple(map(add, offsets, wanted))[:-1] != offsets[1:]:  # strips with gaps between them
        start = 0
        data = b"".join([data[offset : offset + size] for offset, size in zip(offsets, wanted, strict=True)])
    samples = np.frombuffer(data, source.dtype, math.prod(source.shape), start).reshape(source.shape)
    # In their place, if the processor can read them there; the bytes are kept as evidence anyway.
    return np.require(samples, source.dtype.newbyteorder("="), "A")


def _grey(source: PageData, samples: Samples) -> tuple[Samples, tuple[str, ...]]:
    page = source.page
    if page.planar:
        samples = np.moveaxis(samples, 0, -1)
    if page.photometric == 3 and page.samples == 1:
        return _of_palette(source, samples)
    if page.photometric == 2 or (page.photometric == 6 and page.compression in PICTURES):
        return grey_of_channels(samples)
    warnings: tuple[str, ...] = ()
    if page.samples > 2:
        warnings = (f"channels: the first of {page.samples} channels is measured",)
    grey = samples if samples.ndim == 2 else samples[..., 0]
    return (invert(grey, page.bits) if page.photometric == 0 else grey), warnings


def _of_palette(source: PageData, indices: Samples) -> tuple[Samples, tuple[str, ...]]:
    values = source.file.integers(source.directory, 320, limit=3 << 16)
    if len(values) < 3 or len(values) % 3 or indices.dtype.kind not in "bu":
        raise DataError(f"the palette holds {len(values)} values: not three for each grey level")
    colours = np.array(values, np.uint16).reshape(3, -1)
    grey, coloured = palette_grey(indices.view(np.uint8) if indices.dtype == bool else indices, colours)
    return grey, colour_warning(coloured, grey.size)


def _zero_tail(data: bytes, end: int) -> int:
    """Zero bytes before ``end``, if they are at least the smallest block a file system preallocates."""
    if data[max(0, end - ZERO_TAIL_BYTES) : end].strip(b"\0") or end < ZERO_TAIL_BYTES:
        return 0
    return end - len(data[:end].rstrip(b"\0"))
