"""A page written anew as a TIFF of its own, so that foreign readers meet only what we have checked."""

from __future__ import annotations

import struct
from itertools import accumulate

from semwatchd.adapters.tiff_data import PageData
from semwatchd.core.errors import DataError

#: Tags that decide how segments are decoded: size, depth, coding, predictor, tables of JPEG and of fax.
_KEPT = (256, 257, 258, 259, 262, 266, 277, 278, 284, 292, 293, 317, 322, 323, 338, 339, 347, 530)
_MAX_KEPT_BYTES = 1 << 17  # of one such tag; JPEG tables are the largest, below 1 KiB


def rebuilt(source: PageData) -> bytes:
    """Write a one-page BigTIFF of the page's coding tags and segments, in the same byte order."""
    order, kept = source.file.order, _kept_values(source)
    places = (324, 325) if source.page.tiled else (273, 279)
    table = struct.Struct(f"{order}{len(source.counts)}Q")
    entries = [*kept, *((code, 16, len(source.counts), bytes(table.size)) for code in places)]
    directory_end = 16 + 8 + 20 * len(entries) + 8
    body_start = directory_end + sum(len(value) for *_, value in entries if len(value) > 8)
    starts = tuple(accumulate(source.counts[:-1], initial=body_start))
    tables = dict(zip(places, (table.pack(*starts), table.pack(*source.counts)), strict=True))
    filled = sorted((code, kind, count, tables.get(code, value)) for code, kind, count, value in entries)
    data = memoryview(source.data)  # so that joining is the only copy
    body = [data[offset : offset + size] for offset, size in zip(source.offsets, source.counts, strict=True)]
    return b"".join([_header(order), _directory(order, filled, directory_end), *body])


def _kept_values(source: PageData) -> list[tuple[int, int, int, bytes]]:
    """Code, type, count and raw value of each coding tag the page has."""
    kept = []
    for code in _KEPT:
        tag = source.directory.get(code)
        if tag is not None:
            if tag.size > _MAX_KEPT_BYTES:
                raise DataError(f"tag {code} of {tag.size} bytes is too long to be right")
            kept.append((code, tag.type, tag.count, source.file.value(tag)))
    return kept


def _header(order: str) -> bytes:
    return (b"II" if order == "<" else b"MM") + struct.pack(order + "HHHQ", 43, 8, 0, 16)


def _directory(order: str, entries: list[tuple[int, int, int, bytes]], end: int) -> bytes:
    """Entries, then the values that do not fit into them."""
    out, far = [struct.pack(order + "Q", len(entries))], []
    for code, kind, count, value in entries:
        out.append(struct.pack(order + "HHQ", code, kind, count))
        if len(value) <= 8:
            out.append(value.ljust(8, b"\0"))
        else:
            out.append(struct.pack(order + "Q", end))
            far.append(value)
            end += len(value)
    return b"".join([*out, bytes(8), *far])
