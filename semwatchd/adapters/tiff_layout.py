"""Where a TIFF keeps its pages and pixels, and whether a file on disk is whole. Standard library only.

The supervisor, which holds no pixels, asks ``completeness``; the decoder uses the same parser, so
both judge a file by the same sentences.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from operator import add

from semwatchd.adapters.raster_layout import (
    BMP_MAGIC,
    CUT_SHORT,
    JPEG_MAGIC,
    PNG_MAGIC,
    Fetch,
    IncompleteError,
    bmp_header,
    jpeg_header,
    png_header,
    require_jpeg_end,
    require_png_end,
)
from semwatchd.core.errors import DataError

MAX_PAGES = 10_000  # a loop that never meets itself would otherwise be followed to the end of the file
MAX_TAGS = 4096  # per page; real pages have some tens
MAX_ALL_TAGS = 1 << 18  # of all pages: directories may overlap, so a small file can list very many
MAX_SEGMENTS = 1 << 18  # strips or tiles of one page; 100 megapixels in strips of one row need far fewer
ZERO_TAIL_BYTES = 4096  # the smallest block a file system preallocates

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_NAMES = {
    256: "ImageWidth",
    257: "ImageLength",
    258: "BitsPerSample",
    259: "Compression",
    273: "StripOffsets",
    278: "RowsPerStrip",
    279: "StripByteCounts",
    322: "TileWidth",
    323: "TileLength",
    324: "TileOffsets",
    325: "TileByteCounts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One entry of a page directory."""

    code: int
    type: int
    count: int
    offset: int  #: of the value in the file

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return self.count * _SIZES.get(self.type, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffFile:
    """The page directories of a TIFF or BigTIFF."""

    fetch: Fetch
    size: int  #: bytes of the whole file
    order: str  #: "<" or ">"
    big: bool
    directories: Sequence[dict[int, Tag]] = field(default_factory=list)

    def value(self, tag: Tag) -> bytes:
        """Raw bytes of a tag; IncompleteError where they lie beyond the file."""
        return _need(self.fetch, self.size, tag.offset, tag.size, f"the value of {_name(tag.code)}")

    def integers(self, directory: dict[int, Tag], code: int, *, limit: int) -> tuple[int, ...]:
        """At most ``limit`` values of a tag of whole numbers; empty where the page has no such tag."""
        tag = directory.get(code)
        if tag is None:
            return ()
        letter = _INTEGERS.get(tag.type)
        if letter is None or not tag.count:
            raise DataError(f"{_name(code)} holds no whole numbers (type {tag.type}, {tag.count} values)")
        count = min(tag.count, limit)
        raw = _need(self.fetch, self.size, tag.offset, count * _SIZES[tag.type], _name(code))
        return struct.unpack(f"{self.order}{count}{letter}", raw)

    def integer(self, directory: dict[int, Tag], code: int, default: int | None = None) -> int:
        """First value of a tag; DataError where it is absent and has no default."""
        values = self.integers(directory, code, limit=1)
        if values:
            return values[0]
        if default is None:
            raise DataError(f"the page has no {_name(code)}")
        return default


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Shape and storage of one page."""

    width: int
    height: int
    bits: int
    sample_format: int
    samples: int
    compression: int
    photometric: int
    planar: bool  #: each channel in strips of its own
    predictor: int
    fill_order: int
    tiled: bool
    segment_width: int
    segment_height: int

    @property
    def across(self) -> int:
        """Segments side by side."""
        return -(-self.width // self.segment_width)

    @property
    def segments(self) -> int:
        """Strips or tiles the page needs."""
        return self.across * -(-self.height // self.segment_height) * (self.samples if self.planar else 1)

    @property
    def segment_samples(self) -> int:
        """Samples per pixel within one segment."""
        return 1 if self.planar else self.samples

    @property
    def word(self) -> str:
        """What a segment is called."""
        return "tile" if self.tiled else "strip"

    @property
    def all_segment_bytes(self) -> list[int]:
        """Bytes of each segment once decompressed; the last strip of a channel may be shorter."""
        row = (self.segment_width * self.segment_samples * self.bits + 7) // 8
        planes = self.samples if self.planar else 1
        sizes = [row * self.segment_height] * (self.segments // planes)
        if not self.tiled:
            sizes[-1] = row * (self.height - (len(sizes) - 1) * self.segment_height)
        return sizes * planes


def _name(code: int) -> str:
    return f"tag {code} ({_NAMES[code]})" if code in _NAMES else f"tag {code}"


def _need(fetch: Fetch, size: int, offset: int, length: int, what: str) -> bytes:
    if offset + length > size:
        raise IncompleteError(
            f"{what} ends beyond the file (offset {offset} + {length} bytes > {size}): {CUT_SHORT}"
        )
    data = fetch(offset, length)
    if len(data) < length:
        raise IncompleteError(f"{what} could not be read to its end: {CUT_SHORT}")
    return data


def parse(fetch: Fetch, size: int) -> TiffFile:
    """Read header and page directories of a TIFF; no pixels, no values.

    Raises
    ------
    IncompleteError
        Where the file ends before something the header promises.
    DataError
        Where no growth could make it a TIFF.
    """
    head = fetch(0, 16)
    if len(head) < 8:
        raise IncompleteError(f"the TIFF ends inside its header after {len(head)} bytes: {CUT_SHORT}")
    order, big = ("<" if head[:2] == b"II" else ">"), b"+" in head[2:4]
    if big and struct.unpack_from(order + "HH", head, 4) != (8, 0):
        raise DataError("the BigTIFF header is damaged: its offsets are not 8 bytes wide")
    if big and len(head) < 16:
        raise IncompleteError(f"the BigTIFF ends inside its header after {len(head)} bytes: {CUT_SHORT}")
    first = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0]
    if first == 0:
        raise IncompleteError("the TIFF has no page directory yet: its writer did not finish; send it again")
    file = TiffFile(fetch=fetch, size=size, order=order, big=big)
    return TiffFile(fetch=fetch, size=size, order=order, big=big, directories=_directories(file, first))


def _directories(file: TiffFile, offset: int) -> list[dict[int, Tag]]:
    found: list[dict[int, Tag]] = []
    seen: set[int] = set()
    tags = 0
    while offset and offset not in seen:  # a chain that bites its own tail has ended
        if len(found) == MAX_PAGES or tags > MAX_ALL_TAGS:
            raise DataError(f"the TIFF has more than {MAX_PAGES} pages or {MAX_ALL_TAGS} tags")
        seen.add(offset)
        directory, listed, offset = _directory(file, offset, len(found) + 1)
        found.append(directory)
        tags += listed
    return found


def _directory(file: TiffFile, offset: int, number: int) -> tuple[dict[int, Tag], int, int]:
    need = partial(_need, file.fetch, file.size)
    what = f"the directory of page {number}"
    count_letter, entry_letters, link_letter = ("Q", "HHQ8s", "Q") if file.big else ("H", "HHI4s", "I")
    entry = struct.Struct(file.order + entry_letters)
    start = offset + struct.calcsize(file.order + count_letter)
    count = struct.unpack(file.order + count_letter, need(offset, start - offset, what))[0]
    if not 0 < count <= MAX_TAGS:
        raise DataError(f"{what} is damaged: it lists {count} tags")
    end = start + count * entry.size
    raw = need(start, end - start, what)
    link = need(end, struct.calcsize(file.order + link_letter), what)
    inline = 8 if file.big else 4  # bytes of the field that holds a short value itself
    tags: dict[int, Tag] = {}
    for number_in_page, (code, kind, values, field_bytes) in enumerate(entry.iter_unpack(raw)):
        here = start + (number_in_page + 1) * entry.size - inline
        far = values * _SIZES.get(kind, 1) > inline
        where = struct.unpack(file.order + link_letter, field_bytes)[0] if far else here
        tags.setdefault(code, Tag(code=code, type=kind, count=values, offset=where))
    return tags, count, struct.unpack(file.order + link_letter, link)[0]


def first_class(file: TiffFile) -> list[dict[int, Tag]]:
    """Pages that are neither thumbnails nor masks; all pages where none would be left."""
    full = [
        directory
        for directory in file.directories
        if not file.integer(directory, 254, 0) & 5 and file.integer(directory, 255, 1) != 2
    ]
    return full or list(file.directories)


def page_of(file: TiffFile, directory: dict[int, Tag]) -> Page:
    """Check what the page says of itself; DataError where it cannot be a picture."""
    width, height = file.integer(directory, 256), file.integer(directory, 257)
    if width <= 0 or height <= 0:
        raise DataError(f"the page has no pixels: width {width}, height {height}")
    samples = file.integer(directory, 277, 1)
    depths = set(file.integers(directory, 258, limit=64)) or {1}
    depth = depths.pop()
    if depths or not 1 <= samples <= 64 or not 1 <= depth <= 64:
        raise DataError(f"{samples} samples per pixel of {depth} bits, or of mixed depth, are not read here")
    tiled = 322 in directory or 324 in directory
    rows = file.integer(directory, 323 if tiled else 278, None if tiled else height)
    columns = file.integer(directory, 322) if tiled else width
    if rows <= 0 or columns <= 0:
        raise DataError(f"the {'tile' if tiled else 'strip'} table is damaged: size {columns} x {rows}")
    return Page(
        width=width,
        height=height,
        bits=depth,
        sample_format=file.integer(directory, 339, 1),
        samples=samples,
        compression=file.integer(directory, 259, 1),
        photometric=file.integer(directory, 262, 1),
        planar=file.integer(directory, 284, 1) == 2 and samples > 1,
        predictor=file.integer(directory, 317, 1),
        fill_order=file.integer(directory, 266, 1),
        tiled=tiled,
        segment_width=columns,
        segment_height=rows if tiled else min(rows, height),
    )


def segments_of(
    file: TiffFile, directory: dict[int, Tag], page: Page
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Offsets and byte counts of all strips or tiles, each proved to lie inside the file."""
    needed = page.segments
    if needed > MAX_SEGMENTS:
        raise DataError(f"the page is cut into {needed} {page.word}s; more than {MAX_SEGMENTS} are not read")
    offsets = file.integers(directory, 324 if page.tiled else 273, limit=needed)
    counts = file.integers(directory, 325 if page.tiled else 279, limit=needed)
    if not counts and page.compression == 1:  # early writers left the counts of raw strips out
        counts = tuple(page.all_segment_bytes)
    for table, title in ((offsets, "offsets"), (counts, "byte counts")):
        if len(table) < needed:
            raise DataError(f"the table of {page.word} {title} lists {len(table)} of {needed}")
    _require_inside(file.size, page, offsets, counts)
    return offsets, counts


def _require_inside(size: int, page: Page, offsets: Sequence[int], counts: Sequence[int]) -> None:
    if min(offsets) > 0 and min(counts) > 0 and max(map(add, offsets, counts)) <= size:
        return
    total = len(offsets)
    for number, (offset, count) in enumerate(zip(offsets, counts, strict=True), 1):
        if offset <= 0 or count <= 0:
            raise IncompleteError(
                f"{page.word} {number} of {total} was never written (offset {offset}, {count} bytes)"
            )
        if offset + count > size:
            raise IncompleteError(
                f"{page.word} {number} of {total} ends beyond the file "
                f"(offset {offset} + {count} bytes > {size}): {CUT_SHORT}"
            )


class CompletenessKind(StrEnum):
    """How whole a file on disk is."""

    COMPLETE = "complete"  #: everything its header promises is there
    TRUNCATED = "truncated"  #: it may still grow into a good file
    ZERO_TAIL = "zero_tail"  #: whole, but its last pixels are zero: perhaps preallocated, not yet written
    BROKEN = "broken"  #: no growth can make it good


@dataclass(frozen=True, slots=True)
class Completeness:
    """Verdict on one file, with its reason in a sentence."""

    kind: CompletenessKind
    reason: str = ""


def completeness(path: str) -> Completeness:
    """Judge a file by headers, tables and tail alone; reads some kilobytes of it.

    Raises
    ------
    OSError
        Where the file cannot be opened or read; nothing else.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        zero_tail = _judge(lambda offset, length: os.pread(descriptor, length, offset), size)
    except IncompleteError as error:
        return Completeness(CompletenessKind.TRUNCATED, str(error))
    except DataError as error:
        return Completeness(CompletenessKind.BROKEN, str(error))
    finally:
        os.close(descriptor)
    if zero_tail:
        return Completeness(
            CompletenessKind.ZERO_TAIL, f"the last {ZERO_TAIL_BYTES} bytes of its pixels are all zero"
        )
    return Completeness(CompletenessKind.COMPLETE)


def _judge(fetch: Fetch, size: int) -> bool:
    """Raise where the container is not whole; else say whether its raw pixels end in zeros."""
    magic = fetch(0, 8)
    if not magic.strip(b"\0"):
        raise IncompleteError(
            "the file is empty" if not magic else "the file begins with zeros: not written yet"
        )
    if magic[:4] in TIFF_MAGIC:
        return _judge_tiff(parse(fetch, size))
    if magic == PNG_MAGIC:
        png_header(fetch)
        require_png_end(fetch, size)
    elif magic[:3] == JPEG_MAGIC:
        require_jpeg_end(fetch, size, jpeg_header(fetch).data_offset)
    elif magic[:2] == BMP_MAGIC:
        return _zeros_before(fetch, bmp_header(fetch, size).end)
    elif any(known.startswith(magic) for known in (*TIFF_MAGIC, PNG_MAGIC, JPEG_MAGIC)):
        raise IncompleteError(f"the file ends after {len(magic)} bytes, inside its first mark")
    else:
        raise DataError(f"the file begins with {magic!r}: not TIFF, PNG, BMP or JPEG")
    return False


def raw_pixels_end(file: TiffFile, directories: Iterable[dict[int, Tag]]) -> int:
    """First byte after all uncompressed strips of these pages, each proved to lie inside the file; 0 if none."""
    last, budget = 0, MAX_SEGMENTS
    for directory in directories:
        page = page_of(file, directory)
        offsets, counts = segments_of(file, directory, page)
        if page.compression == 1:
            last = max(last, *map(add, offsets, counts))
        budget -= len(offsets)
        if budget < 0:  # bounds the work on a hostile file
            break
    return last


def _judge_tiff(file: TiffFile) -> bool:
    last = raw_pixels_end(file, file.directories)
    for directory in file.directories:
        for tag in directory.values():
            if tag.size > 8 and tag.offset + tag.size > file.size:
                raise IncompleteError(f"{_name(tag.code)} ends beyond the file: {CUT_SHORT}")
    return _zeros_before(file.fetch, last)


def _zeros_before(fetch: Fetch, end: int) -> bool:
    return end > ZERO_TAIL_BYTES and fetch(end - ZERO_TAIL_BYTES, ZERO_TAIL_BYTES) == bytes(ZERO_TAIL_BYTES)
