"""One page of a TIFF: its shape, how its samples are stored, and where. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import add

from semwatchd.adapters.raster_layout import CUT_SHORT, IncompleteError
from semwatchd.adapters.tiff_parse import Tag, TiffFile
from semwatchd.core.errors import DataError

MAX_SEGMENTS = 1 << 18  # strips or tiles of one page; 100 megapixels in strips of one row need far fewer
MAX_OVERLAP = 4  # times the file: blank tiles may share their bytes, a bomb's share them thousandfold


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
    if sum(counts) > MAX_OVERLAP * file.size:
        raise DataError(f"the {page.word}s overlap: they claim {sum(counts)} bytes of a file of {file.size}")
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


def raw_pixels_end(file: TiffFile, directories: Iterable[dict[int, Tag]]) -> int:
    """First byte after all raw strips of these pages, 0 if none; each is proved to lie inside the file."""
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
