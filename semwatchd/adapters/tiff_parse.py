"""The page directories of a TIFF or BigTIFF: which tags are where. Standard library only."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from semwatchd.adapters.raster_layout import CUT_SHORT, Fetch, IncompleteError
from semwatchd.core.errors import DataError

MAX_PAGES = 10_000  # a loop that never meets itself would otherwise be followed to the end of the file
MAX_TAGS = 4096  # per page; real pages have some tens
MAX_ALL_TAGS = 1 << 18  # of all pages: directories may overlap, so a small file can list very many

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
        return _need(self.fetch, self.size, tag.offset, tag.size, f"the value of {name_of(tag.code)}")

    def integers(self, directory: dict[int, Tag], code: int, *, limit: int) -> tuple[int, ...]:
        """At most ``limit`` values of a tag of whole numbers; empty where the page has no such tag."""
        tag = directory.get(code)
        if tag is None:
            return ()
        letter = _INTEGERS.get(tag.type)
        if letter is None or not tag.count:
            raise DataError(f"{name_of(code)} holds no whole numbers (type {tag.type}, {tag.count} values)")
        count = min(tag.count, limit)
        raw = _need(self.fetch, self.size, tag.offset, count * _SIZES[tag.type], name_of(code))
        return struct.unpack(f"{self.order}{count}{letter}", raw)

    def integer(self, directory: dict[int, Tag], code: int, default: int | None = None) -> int:
        """First value of a tag; DataError where it is absent and has no default."""
        values = self.integers(directory, code, limit=1)
        if values:
            return values[0]
        if default is None:
            raise DataError(f"the page has no {name_of(code)}")
        return default


def name_of(code: int) -> str:
    """Call a tag by number and name."""
    return f"tag {code} ({_NAMES[code]})" if code in _NAMES else f"tag {code}"


def require_values_inside(file: TiffFile) -> None:
    """Raise IncompleteError where any tag's value, a maker's text for one, ends beyond the file."""
    for directory in file.directories:
        for tag in directory.values():
            if tag.type in _SIZES and tag.offset + tag.size > file.size:
                file.value(tag)


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
