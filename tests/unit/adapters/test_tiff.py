from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from semwatchd.adapters.reader import decode
from semwatchd.core.errors import DataError
from semwatchd.core.image import SemImage
from semwatchd.core.ports import SourceFile
from tests.hostile_tiffs import BOMBS, READABLE, REFUSED, build_tiff, gradient, grey_page, saved

PICTURE = gradient()


def in_memory(data: bytes) -> SourceFile:
    return SourceFile(path="/nowhere/x.tif", data=data, sha256="00", size=len(data), mtime_ns=0)


def read(data: bytes, **options: int) -> SemImage:
    return decode(in_memory(data), **options)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("rows", [1, 7, 64])
@pytest.mark.parametrize(
    ("coding", "predictor", "name"),
    [
        (None, False, "none"),
        ("lzw", False, "LZW"),
        ("lzw", True, "LZW"),
        ("zlib", False, "deflate"),
        ("zlib", True, "deflate"),
        ("zstd", True, "zstd"),
        ("packbits", False, "PackBits"),
        ("lzma", False, "lzma"),
    ],
)
def test_strips_of_every_coding_come_back_exactly(
    coding: str | None, name: str, rows: int, dtype: str, order: str, *, predictor: bool
) -> None:
    picture = PICTURE.astype(dtype) * (257 if dtype == "uint16" else 1)
    picture = picture.astype(dtype)
    image = read(saved(picture, compression=coding, predictor=predictor, rowsperstrip=rows, byteorder=order))
    np.testing.assert_array_equal(image.pixels, picture)
    assert image.pixels.dtype == np.dtype(dtype)
    assert (image.facts.dtype, image.facts.compression, image.facts.pages) == (dtype, name, 1)
    assert image.warnings == ()


@pytest.mark.parametrize(
    "options", [{"tile": (16, 16)}, {"tile": (32, 16), "compression": "zlib"}, {"bigtiff": True}]
)
def test_tiles_and_bigtiff_come_back_exactly(options: dict[str, Any]) -> None:
    np.testing.assert_array_equal(read(saved(PICTURE, **options)).pixels, PICTURE)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    ("coding", "predictor"),
    [(None, False), ("lzw", False), ("lzw", True), ("zlib", True), ("zstd", True), ("packbits", False)],
)
def test_tiles_of_every_coding_come_back_exactly(
    coding: str | None, dtype: str, order: str, *, predictor: bool
) -> None:
    picture = PICTURE[:-3, :-5].astype(dtype)  # so that the last tiles reach beyond it
    image = read(saved(picture, compression=coding, predictor=predictor, tile=(16, 32), byteorder=order))
    np.testing.assert_array_equal(image.pixels, picture)
    assert image.pixels.dtype == np.dtype(dtype)


@pytest.mark.parametrize("coding", ["jpeg2000", "png", "lerc"])
def test_segments_that_are_pictures_themselves_come_back_exactly(coding: str) -> None:
    image = read(saved(PICTURE, compression=coding, rowsperstrip=64))
    np.testing.assert_array_equal(image.pixels, PICTURE)
    assert image.facts.compression == coding


def test_jpeg_in_strips_is_close() -> None:
    image = read(saved(PICTURE, compression="jpeg", compressionargs={"level": 95}, rowsperstrip=16))
    assert np.abs(image.pixels.astype(int) - PICTURE).max() < 16


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "uint32", "float16", "float32", "float64"])
def test_other_samples_are_named_and_kept(dtype: str) -> None:
    picture = PICTURE.astype(dtype)
    image = read(saved(picture, photometric="minisblack"))
    assert image.facts.dtype == dtype
    np.testing.assert_array_equal(image.pixels, PICTURE.astype(bool) * 255 if dtype == "bool" else picture)


def test_packed_twelve_bits_are_unpacked() -> None:
    packed = bytes([0x12, 0x3A, 0xBC]) * 32  # 0x123, 0xABC
    image = read(build_tiff(grey_page(8, 8, bits=12, count=96), packed))
    assert image.facts.dtype == "uint16"
    assert image.pixels[0, :2].tolist() == [0x123, 0xABC]


def test_white_is_zero_is_turned_over() -> None:
    np.testing.assert_array_equal(read(saved(PICTURE, photometric="miniswhite")).pixels, 255 - PICTURE)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_grey_stored_as_colour_is_exact(planar: str) -> None:
    colour = np.stack([PICTURE] * 3, axis=-1 if planar == "contig" else 0)
    image = read(saved(colour, photometric="rgb", planarconfig=planar))
    np.testing.assert_array_equal(image.pixels, PICTURE)
    assert image.warnings == ()


def test_colour_is_told() -> None:
    colour = np.stack([PICTURE, 255 - PICTURE, PICTURE], axis=-1)
    assert read(saved(colour, photometric="rgb")).warnings[0].startswith("coloured:")


def test_marks_over_a_grey_palette_are_told() -> None:
    colours = np.stack([np.arange(256, dtype=np.uint16) * 257] * 3)
    colours[:, 255] = (0, 65535, 0)
    picture = PICTURE.copy()
    picture[5, 5:9] = 255
    image = read(saved(picture, photometric="palette", colormap=colours))
    assert image.warnings == ("overlay: 4 pixels are coloured marks drawn over the grey picture",)
    np.testing.assert_array_equal(image.pixels[6:], PICTURE[6:])


def test_the_largest_full_page_is_read_and_thumbnails_do_not_count() -> None:
    large = gradient(96, 80)
    data = saved(PICTURE, metadata=None)
    for pixels, kind in ((large, 0), (gradient(200, 200), 1), (PICTURE, 0)):
        data = append_page(data, pixels, kind)
    image = read(data)
    assert image.facts.pages == 3
    np.testing.assert_array_equal(image.pixels, large)


def append_page(data: bytes, pixels: np.ndarray[tuple[int, ...], np.dtype[Any]], kind: int) -> bytes:
    """Link one more page behind the last, at the end of the file."""
    at = len(data) + len(data) % 2
    data = data.ljust(at, b"\0")
    height, width = pixels.shape
    tags = grey_page(width, height, count=pixels.size, t254=(4, (kind,)))
    page = bytearray(build_tiff(tags, pixels.tobytes()))
    place = page.index((273).to_bytes(2, "little") + b"\x04\0") + 8
    page[place : place + 4] = (at + len(page) - pixels.size).to_bytes(4, "little")
    head = bytearray(data)
    link = 4
    while offset := int.from_bytes(head[link : link + 4], "little"):
        link = offset + 2 + 12 * int.from_bytes(head[offset : offset + 2], "little")
    head[link : link + 4] = (at + 8).to_bytes(4, "little")
    return bytes(head) + bytes(page)


def test_not_a_number_is_counted_and_told() -> None:
    picture = PICTURE.astype(np.float32)
    picture[3, 4] = np.nan
    image = read(saved(picture))
    assert image.warnings[0].startswith("not_finite: 1 pixels")
    assert np.isfinite(image.pixels).all()


def test_a_zero_tail_of_raw_pixels_is_doubted() -> None:
    picture = np.full((200, 100), 90, np.uint8)
    assert read(saved(picture)).warnings == ()
    picture[150:] = 0
    assert read(saved(picture)).warnings[0].startswith("suspect_partial: the last 5000 bytes")
    assert read(saved(picture * 0)).warnings == ()


def test_a_deflate_strip_that_goes_on_is_read_with_a_warning() -> None:
    longer = saved(np.vstack([PICTURE, PICTURE]), compression="zlib", rowsperstrip=128)
    height = longer.index((257).to_bytes(2, "little")) + 8
    data = bytearray(longer)
    data[height : height + 2] = (64).to_bytes(2, "little")
    image = read(bytes(data))
    np.testing.assert_array_equal(image.pixels, PICTURE)
    assert image.warnings[0].startswith("extra_data: 1 of 1 strips")


@pytest.mark.parametrize("make", READABLE.values(), ids=READABLE)
def test_odd_files_with_all_their_pixels_are_read(make: Callable[[], bytes]) -> None:
    assert read(make()).pixels.shape == (64, 64)


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_hostile_files_are_refused_in_words_and_at_once(make: Callable[[], bytes]) -> None:
    data = make()
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(DataError) as refusal:
        read(data)
    assert len(str(refusal.value).split()) > 3
    assert time.process_time() - start < 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_bombs_do_not_expand_beyond_their_strip(make: Callable[[], bytes]) -> None:
    data = make()
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        assert read(data).pixels.shape == (64, 64)
    except DataError as refusal:
        assert str(refusal)  # noqa: PT017 — either answer is right
    assert time.process_time() - start < 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_the_pixel_limit_is_judged_from_the_header() -> None:
    with pytest.raises(DataError, match=r"48 x 64 pixels of 1 samples.*limit is 3071"):
        read(saved(PICTURE), max_pixels=3071)
    assert read(saved(PICTURE), max_pixels=3072).pixels.size == 3072


BASES = [
    saved(PICTURE),
    saved(PICTURE, compression="lzw", predictor=True, rowsperstrip=16),
    saved(PICTURE, compression="zlib", rowsperstrip=16),
    saved(PICTURE, compression="zstd"),
    saved(PICTURE, compression="packbits"),
    saved(PICTURE, compression="jpeg"),
    saved(PICTURE.astype("u2"), tile=(16, 16), bigtiff=True),
    saved(PICTURE, tile=(16, 16), compression="lzw"),
    saved(np.stack([PICTURE] * 3), photometric="rgb", planarconfig="separate", byteorder=">"),
    saved(PICTURE.astype("f4"), compression="zlib", predictor=True),
]


@pytest.mark.parametrize("data", BASES, ids=range(len(BASES)))
def test_a_file_cut_short_is_refused_at_every_length(data: bytes) -> None:
    whole = read(data).pixels
    for length in range(0, len(data) - 1, 37):
        try:
            cut = read(data[:length]).pixels
        except DataError as refusal:
            assert str(refusal)  # noqa: PT017 — a file may end in bytes no pixel needs
        else:
            np.testing.assert_array_equal(cut, whole)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_bytes_are_changed_only_a_data_error_comes_out(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(250):
        data = bytearray(chance.choice(BASES))
        for _ in range(chance.randint(1, 6)):
            near_head = chance.random() < 0.7
            data[chance.randrange(min(300, len(data)) if near_head else len(data))] = chance.choice(
                (0, 1, 2, 3, 5, 7, 8, 128, 254, 255, chance.randrange(256))
            )
        try:
            image = read(bytes(data), max_pixels=1_000_000)
        except DataError:
            continue
        assert image.pixels.ndim == 2
        assert image.pixels.flags.c_contiguous
