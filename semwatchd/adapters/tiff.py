"""TIFF and BigTIFF into one grey picture.

Header, tables and sizes are checked by our own parser before anything is decoded. Raw strips are then
taken straight from the bytes, deflate strips are inflated with their checksums, and everything else goes
to libtiff or tifffile as a rebuilt one-page file that holds nothing but the tags we have checked: no
vendor text, no second directory and no loop ever reaches them.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from operator import add

import imagecodecs
import numpy as np
import tifffile

from semwatchd.adapters.picture import Decoded, bytes_fetch, colour_warning, grey_of_channels, require_size
from semwatchd.adapters.stream_size import stream_size
from semwatchd.adapters.tiff_layout import (
    ZERO_TAIL_BYTES,
    Page,
    Tag,
    TiffFile,
    first_class,
    page_of,
    parse,
    raw_pixels_end,
    segments_of,
)
from semwatchd.core.errors import DataError
from semwatchd.imaging.gray import Samples, invert, palette_grey

#: Names as operators know them; those of the catalogue first, then tifffile's in lower case.
COMPRESSIONS = {
    1: "none",
    2: "ccittrle",
    3: "ccitt_t4",
    4: "ccitt_t6",
    5: "LZW",
    6: "ojpeg",
    7: "JPEG",
    8: "deflate",
    32773: "PackBits",
    32946: "deflate",
    33003: "jpeg2000",
    33005: "jpeg2000",
    34712: "jpeg2000",
    34887: "lerc",
    34925: "lzma",
    34926: "zstd",
    34927: "webp",
    34933: "png",
    34934: "png",
    50000: "zstd",
    50001: "webp",
    50002: "jpegxl",
    52546: "jpegxl",
}

#: Each segment is a picture with a header of its own, which has to be asked how large it is.
_PICTURES = frozenset({6, 7, 33003, 33005, 34712, 34887, 34927, 34933, 34934, 50001, 50002, 52546})
_DEFLATE = frozenset({8, 32946})
_LIBTIFF = frozenset({5, 32773, 34926, 50000})  # fastest there, and these carry no checksum to lose

#: Tags that decide how segments are decoded: size, depth, coding, predictor, tables of JPEG and of fax.
_KEPT = (256, 257, 258, 259, 262, 266, 277, 278, 284, 292, 293, 317, 322, 323, 338, 339, 347, 530)
_MAX_EXTRA_BYTES = 1 << 20  # inflated behind the last row of a strip, to look for the checksum
_MAX_KEPT_BYTES = 1 << 17  # of one such tag; JPEG tables are the largest, below 1 KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """One page with its proved segments."""

    data: bytes
    file: TiffFile
    directory: dict[int, Tag]
    page: Page
    offsets: Sequence[int]
    counts: Sequence[int]

    @property
    def shape(self) -> tuple[int, ...]:
        page = self.page
        if page.samples == 1:
            return page.height, page.width
        if page.planar:
            return page.samples, page.height, page.width
        return page.height, page.width, page.samples

    @property
    def is_plain(self) -> bool:
        """Whole-byte samples in strips, in their usual bit order."""
        page = self.page
        return not page.tiled and page.fill_order != 2 and page.bits in {8, 16, 32, 64}

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of plain samples, in the file's byte order."""
        kind = {2: "i", 3: "f"}.get(self.page.sample_format, "u")
        if kind == "f" and self.page.bits == 8:
            raise DataError("floating-point samples of 8 bits are not read here")
        return np.dtype(f"{self.file.order}{kind}{self.page.bits // 8}")


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
    require_size(page.segment_width, page.segment_height, page.samples, page.bits, max_pixels)
    offsets, counts = segments_of(file, directory, page)
    raw_pixels_end(file, (tags for tags in file.directories if tags is not directory))
    source = _Source(data=data, file=file, directory=directory, page=page, offsets=offsets, counts=counts)
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


def _samples(source: _Source) -> tuple[Samples, tuple[str, ...]]:
    page = source.page
    if page.compression == 1 and source.is_plain and page.predictor == 1 and page.photometric != 6:
        return _raw(source), ()
    grey_integers = source.is_plain and page.samples == 1 and page.bits <= 16 and page.sample_format != 3
    if page.compression in _DEFLATE and grey_integers and page.predictor in {1, 2}:
        return _inflated(source)
    if page.compression in _LIBTIFF and grey_integers and page.predictor in {1, 2}:
        return imagecodecs.tiff_decode(_rebuilt(source), index=0), ()
    return _by_tifffile(source), ()


def _raw(source: _Source) -> Samples:
    data, offsets = source.data, source.offsets
    wanted = _require_full(source)
    start = offsets[0]
    if tuple(map(add, offsets, wanted))[:-1] != offsets[1:]:  # strips with gaps between them
        start = 0
        data = b"".join([data[offset : offset + size] for offset, size in zip(offsets, wanted, strict=True)])
    samples = np.frombuffer(data, source.dtype, math.prod(source.shape), start).reshape(source.shape)
    return samples.astype(source.dtype.newbyteorder("="))  # a copy, so that the file's bytes can go


def _require_full(source: _Source) -> list[int]:
    """Bytes each uncompressed segment needs; DataError where the table gives one less."""
    wanted = source.page.all_segment_bytes
    for index, (found, needed) in enumerate(zip(source.counts, wanted, strict=True)):
        if found < needed:
            _raise_short(source, index, found)
    return wanted


def _raise_short(source: _Source, index: int, found: int) -> None:
    page = source.page
    raise DataError(
        f"{page.word} {index + 1} of {page.segments} holds {found} bytes "
        f"where {page.all_segment_bytes[index]} are needed"
    )


def _inflated(source: _Source) -> tuple[Samples, tuple[str, ...]]:
    parts, trailing = [], 0
    for index, wanted in enumerate(source.page.all_segment_bytes):
        part, clean = _inflate(source, index, wanted)
        parts.append(part)
        trailing += not clean
    samples = np.frombuffer(b"".join(parts), source.dtype).reshape(source.shape)
    samples = samples.astype(source.dtype.newbyteorder("="))
    if source.page.predictor == 2:
        samples = imagecodecs.delta_decode(samples, axis=1, out=samples)
    warnings = (f"extra_data: {trailing} of {len(parts)} strips hold data after their last row",)
    return samples, warnings if trailing else ()


def _inflate(source: _Source, index: int, wanted: int) -> tuple[bytes, bool]:
    """Decompress one strip to exactly the bytes its rows need; say whether it held no more."""
    offset, count = source.offsets[index], source.counts[index]
    packed = source.data[offset : offset + count]
    try:
        part, clean = imagecodecs.deflate_decode(packed, out=wanted), True
    except imagecodecs.DeflateError:
        # libtiff reads strips that go on after their last row, so we do too.
        part, clean = _inflate_leniently(source, index, packed, wanted), False
    if len(part) < wanted:
        _raise_short(source, index, len(part))
    return part, clean


def _inflate_leniently(source: _Source, index: int, packed: bytes, wanted: int) -> bytes:
    stream, name = zlib.decompressobj(), f"strip {index + 1} of {source.page.segments}"
    try:
        part = stream.decompress(packed, wanted)
        more = stream.decompress(stream.unconsumed_tail, _MAX_EXTRA_BYTES)  # bounded, and checks the checksum
    except zlib.error as error:
        raise DataError(f"{name} is damaged: deflate says {error}") from error
    if len(part) == wanted and not more and not stream.eof:
        raise DataError(f"{name} is damaged: its deflate stream has no end and no checksum")
    return part


def _by_tifffile(source: _Source) -> Samples:
    page = source.page
    if page.compression in _PICTURES:
        for index in range(page.segments):
            _require_same_size(source, index)
    elif page.compression == 1 and page.photometric != 6:
        _require_full(source)
    with tifffile.TiffFile(io.BytesIO(_rebuilt(source))) as file:
        samples: Samples = file.pages[0].asarray(maxworkers=1)
    return samples.reshape(source.shape) if samples.size == math.prod(source.shape) else samples


def _require_same_size(source: _Source, index: int) -> None:
    """Refuse a picture inside a segment that would decode to another size than the segment has."""
    page, offset, count = source.page, source.offsets[index], source.counts[index]
    columns, rows = stream_size(page.compression, source.data[offset : offset + count])
    full = -(-page.height // page.segment_height)
    top = index // page.across % full * page.segment_height
    least = page.segment_height if page.tiled else min(page.segment_height, page.height - top)
    if columns != page.segment_width or not least <= rows <= page.segment_height:
        raise DataError(
            f"the {COMPRESSIONS[page.compression]} picture in {page.word} {index + 1} of {page.segments} is "
            f"{columns} x {rows} pixels, the {page.word} is {page.segment_width} x {least}"
        )


def _rebuilt(source: _Source) -> bytes:
    """Write a one-page BigTIFF of the page's coding tags and segments, in the same byte order."""
    order, page = source.file.order, source.page
    entries = []
    for code in _KEPT:
        tag = source.directory.get(code)
        if tag is not None:
            if tag.size > _MAX_KEPT_BYTES:
                raise DataError(f"tag {code} of {tag.size} bytes is too long to be right")
            entries.append((code, tag.type, tag.count, source.file.value(tag)))
    count = page.segments
    table = struct.Struct(f"{order}{count}Q")
    entries += [(code, 16, count, bytes(table.size)) for code in ((324, 325) if page.tiled else (273, 279))]
    entries.sort()
    directory_end = 16 + 8 + 20 * len(entries) + 8
    body_start = directory_end + sum(len(value) for *_, value in entries if len(value) > 8)
    sizes = source.counts
    starts = [body_start]
    for size in sizes[:-1]:
        starts.append(starts[-1] + size)
    tables = {273: table.pack(*starts), 279: table.pack(*sizes)}
    tables |= {324: tables[273], 325: tables[279]}
    out = [(b"II" if order == "<" else b"MM") + struct.pack(order + "HHHQQ", 43, 8, 0, 16, len(entries))]
    values, here = [], directory_end
    for code, kind, number, old in entries:
        value = tables.get(code, old)
        out.append(struct.pack(order + "HHQ", code, kind, number))
        if len(value) <= 8:
            out.append(value.ljust(8, b"\0"))
        else:
            out.append(struct.pack(order + "Q", here))
            values.append(value)
            here += len(value)
    out.append(bytes(8))
    out += values
    out += [source.data[offset : offset + size] for offset, size in zip(source.offsets, sizes, strict=True)]
    return b"".join(out)


def _grey(source: _Source, samples: Samples) -> tuple[Samples, tuple[str, ...]]:
    page = source.page
    if page.planar:
        samples = np.moveaxis(samples, 0, -1)
    if page.photometric == 3 and page.samples == 1:
        return _of_palette(source, samples)
    if page.photometric == 2 or (page.photometric == 6 and page.compression in _PICTURES):
        return grey_of_channels(samples)
    warnings: tuple[str, ...] = ()
    if page.samples > 2:
        warnings = (f"channels: the first of {page.samples} channels is measured",)
    grey = samples if samples.ndim == 2 else samples[..., 0]
    return (invert(grey, page.bits) if page.photometric == 0 else grey), warnings


def _of_palette(source: _Source, indices: Samples) -> tuple[Samples, tuple[str, ...]]:
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
