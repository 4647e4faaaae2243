"""TIFF bytes no honest writer makes, and honest ones that are rare, built tag by tag."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

Values = tuple[int, ...]

_LETTERS = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 12: "d", 16: "Q"}


def build_tiff(
    tags: Mapping[int, tuple[int, Sequence[int]]],
    body: bytes = b"",
    *,
    order: str = "<",
    big: bool = False,
    next_page: int | None = 0,
) -> bytes:
    """One page: directory first, then long values, then ``body``. ``next_page`` None points to itself.

    ``tags`` maps a code to type and values; a value of -1 in an offset table becomes the body's place.
    """
    entries, link = (20, "Q") if big else (12, "I")
    start = 16 if big else 8
    head = 8 if big else 2
    end = start + head + entries * len(tags) + struct.calcsize(link)
    packed = {code: _pack(order, kind, values) for code, (kind, values) in tags.items()}
    room = struct.calcsize(link)
    body_at = end + sum(len(raw) for raw in packed.values() if len(raw) > room)
    out = bytearray((b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42))
    out += struct.pack(order + "HHQ", 8, 0, start) if big else struct.pack(order + "I", start)
    out += struct.pack(order + ("Q" if big else "H"), len(tags))
    long_values = b""
    for code in sorted(tags):
        kind, values = tags[code]
        raw = _pack(order, kind, [body_at if value == -1 else value for value in values])
        out += struct.pack(order + "HH" + link, code, kind, len(values))
        if len(raw) > room:
            out += struct.pack(order + link, end + len(long_values))
            long_values += raw
        else:
            out += raw.ljust(room, b"\0")
    out += struct.pack(order + link, start if next_page is None else next_page)
    return bytes(out) + long_values + body


def _pack(order: str, kind: int, values: Sequence[int]) -> bytes:
    wanted = [max(value, 0) if value == -1 else value for value in values]
    return struct.pack(f"{order}{len(wanted)}{_LETTERS[kind]}", *wanted)


def grey_page(
    width: int,
    height: int,
    *,
    bits: int = 8,
    compression: int = 1,
    count: int = 0,
    **more: tuple[int, Sequence[int]],
) -> dict[int, tuple[int, Sequence[int]]]:
    """Tags of a grey page in one strip of ``count`` bytes that lies where the body begins."""
    tags: dict[int, tuple[int, Sequence[int]]] = {
        256: (4, (width,)),
        257: (4, (height,)),
        258: (3, (bits,)),
        259: (3, (compression,)),
        262: (3, (1,)),
        273: (4, (-1,)),
        277: (3, (1,)),
        278: (4, (height,)),
        279: (4, (count,)),
    }
    return tags | {int(code.removeprefix("t")): value for code, value in more.items()}


def saved(pixels: NDArray[Any], **options: Any) -> bytes:  # noqa: ANN401 — whatever tifffile takes
    """Honest TIFF bytes as tifffile writes them."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def gradient(rows: int = 64, columns: int = 48, dtype: str = "uint8") -> NDArray[Any]:
    """A picture in which no two neighbouring rows or columns are alike."""
    ramp = np.arange(rows * columns).reshape(rows, columns) * 7 % 251
    return ramp.astype(dtype)


def raw_strip(size: int = 64) -> bytes:
    """A plain square page."""
    return build_tiff(grey_page(size, size, count=size * size), bytes(range(256)) * (size * size // 256))


def four_billion_strips() -> bytes:
    return build_tiff(grey_page(64, 4_000_000_000, count=1, t278=(4, (1,))))


def huge_table() -> bytes:
    """A strip table that claims four billion entries."""
    data = bytearray(raw_strip())
    at = data.index(struct.pack("<HHI", 273, 4, 1))
    struct.pack_into("<I", data, at + 4, 0xFFFFFFFF)
    return bytes(data)


def gigapixel() -> bytes:
    return build_tiff(grey_page(60_000, 60_000, count=100), bytes(100))


def page_loop() -> bytes:
    """The page names itself as the next one."""
    return build_tiff(grey_page(64, 64, count=4096), bytes(range(256)) * 16, next_page=None)


def overlapping_pages() -> bytes:
    """A chain of 4000 directories of 4000 tags each that share their bytes: 16 million tags in 64 KiB."""
    pages, tags = 4000, 4000
    links = 8 + 2 + tags * 12
    data = bytearray(struct.pack("<HHI", 0x4949, 42, 8) + struct.pack("<I", tags) * (links // 4 + pages))
    for page in range(pages):
        struct.pack_into("<I", data, links + 4 * page, 8 + 4 * (page + 1))
    return bytes(data)


def sub_page_loop() -> bytes:
    """SubIFDs that point back at their page."""
    return build_tiff(grey_page(64, 64, count=4096, t330=(4, (8, 8, 8))), bytes(range(256)) * 16)


@cache
def deflate_bomb() -> bytes:
    """A strip of 64 x 64 pixels that inflates to a quarter of a gigabyte."""
    stream = zlib.compressobj(9)
    block = bytes(1 << 20)
    packed = b"".join(stream.compress(block) for _ in range(256)) + stream.flush()
    return build_tiff(grey_page(64, 64, compression=8, count=len(packed)), packed)


@cache
def lzw_bomb() -> bytes:
    packed = bytes(imagecodecs.lzw_encode(bytes(1 << 26)))
    return build_tiff(grey_page(64, 64, compression=5, count=len(packed)), packed)


@cache
def zstd_bomb() -> bytes:
    packed = bytes(imagecodecs.zstd_encode(bytes(1 << 29)))
    return build_tiff(grey_page(64, 64, compression=50000, count=len(packed)), packed)


@cache
def lzma_bomb() -> bytes:
    packed = bytes(imagecodecs.lzma_encode(bytes(1 << 26)))
    return build_tiff(grey_page(64, 64, compression=34925, count=len(packed)), packed)


def jpeg_of_other_size() -> bytes:
    """A JPEG stream of 60 000 x 60 000 pixels in a strip of 64 x 64."""
    packed = bytearray(imagecodecs.jpeg8_encode(gradient(64, 64)))
    at = packed.index(b"\xff\xc0")
    struct.pack_into(">HH", packed, at + 5, 60_000, 60_000)
    return build_tiff(grey_page(64, 64, compression=7, count=len(packed)), bytes(packed))


def jpeg2000_of_other_size() -> bytes:
    packed = bytearray(imagecodecs.jpeg2k_encode(gradient(64, 64), codecformat="j2k"))
    at = packed.index(b"\xff\x4f\xff\x51")
    struct.pack_into(">II", packed, at + 8, 60_000, 60_000)
    return build_tiff(grey_page(64, 64, compression=34712, count=len(packed)), bytes(packed))


def jpeg2000_of_many_channels() -> bytes:
    packed = bytearray(imagecodecs.jpeg2k_encode(gradient(64, 64), codecformat="j2k"))
    at = packed.index(b"\xff\x4f\xff\x51")
    struct.pack_into(">H", packed, at + 40, 16_384)
    return build_tiff(grey_page(64, 64, compression=34712, count=len(packed)), bytes(packed))


def lerc_of_many_channels() -> bytes:
    packed = bytearray(imagecodecs.lerc_encode(gradient(64, 64)))
    struct.pack_into("<i", packed, 22, 1 << 26)
    return build_tiff(grey_page(64, 64, compression=34887, count=len(packed)), bytes(packed))


def lerc_of_many_blobs() -> bytes:
    packed = bytes(imagecodecs.lerc_encode(np.zeros((64, 64), np.uint8))) * 1000
    return build_tiff(grey_page(64, 64, compression=34887, count=len(packed)), packed)


def overlapping_strips() -> bytes:
    """A hundred thousand strips that all claim the same hundred kilobytes."""
    strips, size = 100_000, 100_000
    tags = grey_page(8, strips, compression=8, t278=(4, (1,)), t273=(4, (-1,) * strips))
    return build_tiff(
        tags | {279: (4, (size,) * strips)}, zlib.compress(np.random.default_rng(0).bytes(size))
    )


def text_as_width() -> bytes:
    return build_tiff(grey_page(64, 64, count=4096, t256=(2, (54, 52, 0))), bytes(4096))


def zero_width() -> bytes:
    return build_tiff(grey_page(0, 64, count=4096), bytes(4096))


def zero_rows_per_strip() -> bytes:
    return build_tiff(grey_page(64, 64, count=4096, t278=(4, (0,))), bytes(4096))


def short_strip() -> bytes:
    return build_tiff(grey_page(64, 64, count=4000), bytes(4096))


def unwritten_strip() -> bytes:
    return build_tiff(grey_page(64, 64, count=0, t273=(4, (0,))), bytes(4096))


def strip_beyond_end() -> bytes:
    return build_tiff(grey_page(64, 64, count=4096), bytes(1000))


def short_tile_table() -> bytes:
    tags = grey_page(64, 64, t322=(4, (16,)), t323=(4, (16,)), t324=(4, (-1,)), t325=(4, (256,)))
    return build_tiff({code: tag for code, tag in tags.items() if code not in {273, 278, 279}}, bytes(4096))


def tile_bomb() -> bytes:
    """One tile of four gigapixels on a page of 64 x 64."""
    tags = grey_page(
        64, 64, compression=8, t322=(4, (65536,)), t323=(4, (65536,)), t324=(4, (-1,)), t325=(4, (99,))
    )
    return build_tiff({code: tag for code, tag in tags.items() if code not in {273, 278, 279}}, bytes(99))


def many_samples() -> bytes:
    return build_tiff(grey_page(64, 64, count=4096, t277=(3, (65535,))), bytes(4096))


def no_finite_pixel() -> bytes:
    return saved(np.full((64, 48), np.nan, np.float32))


def complex_samples() -> bytes:
    return build_tiff(grey_page(8, 8, bits=64, count=512, t339=(3, (6,))), bytes(512))


def inks() -> bytes:
    return saved(np.zeros((16, 16, 4), np.uint8), photometric="separated")


def no_palette() -> bytes:
    return build_tiff(grey_page(64, 64, count=4096, t262=(3, (3,))), bytes(4096))


def corrupt_deflate() -> bytes:
    data = bytearray(saved(gradient(), compression="zlib"))
    data[-len(data) // 3] ^= 0x5A
    return bytes(data)


def short_lzw() -> bytes:
    packed = bytes(imagecodecs.lzw_encode(bytes(range(100))))
    return build_tiff(grey_page(64, 64, compression=5, count=len(packed)), packed)


def unknown_compression() -> bytes:
    return build_tiff(grey_page(64, 64, compression=4711, count=4096), bytes(4096))


#: Each of these must be refused with a reason, quickly and in little memory.
REFUSED: Mapping[str, Callable[[], bytes]] = {
    maker.__name__: maker
    for maker in (
        four_billion_strips,
        huge_table,
        gigapixel,
        overlapping_pages,
        jpeg_of_other_size,
        jpeg2000_of_other_size,
        jpeg2000_of_many_channels,
        lerc_of_many_channels,
        lerc_of_many_blobs,
        overlapping_strips,
        text_as_width,
        zero_width,
        zero_rows_per_strip,
        short_strip,
        unwritten_strip,
        strip_beyond_end,
        short_tile_table,
        tile_bomb,
        many_samples,
        no_finite_pixel,
        complex_samples,
        inks,
        no_palette,
        corrupt_deflate,
        short_lzw,
        unknown_compression,
    )
}

#: These expand beyond their strip: what is inside it may be read or refused, but nothing more decoded.
BOMBS: Mapping[str, Callable[[], bytes]] = {
    maker.__name__: maker for maker in (deflate_bomb, lzw_bomb, zstd_bomb, lzma_bomb)
}

#: Odd, but every pixel is there.
READABLE: Mapping[str, Callable[[], bytes]] = {
    maker.__name__: maker for maker in (raw_strip, page_loop, sub_page_loop)
}
