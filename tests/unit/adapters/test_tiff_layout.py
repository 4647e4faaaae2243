from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from semwatchd.adapters.tiff_layout import completeness
from semwatchd.core.ports import CompletenessKind
from tests.hostile_tiffs import BOMBS, READABLE, REFUSED, gradient, saved

PICTURE = gradient()


def judge(folder: Path, data: bytes) -> CompletenessKind:
    path = folder / "x.tif"
    path.write_bytes(data)
    return completeness(str(path)).kind


@pytest.mark.parametrize(
    "data",
    [
        saved(PICTURE),
        saved(PICTURE, compression="lzw", rowsperstrip=8),
        saved(PICTURE, tile=(16, 16), bigtiff=True, byteorder=">"),
        bytes(imagecodecs.png_encode(PICTURE)),
        bytes(imagecodecs.jpeg8_encode(PICTURE)),
        bytes(imagecodecs.bmp_encode(PICTURE)),
    ],
    ids=["tiff", "lzw", "bigtiff", "png", "jpeg", "bmp"],
)
def test_a_file_is_complete_at_its_full_length_only(tmp_path: Path, data: bytes) -> None:
    assert judge(tmp_path, data) is CompletenessKind.COMPLETE
    for length in (0, 1, 3, 7, 12, 60, len(data) // 2, len(data) - 2):
        assert judge(tmp_path, data[:length]) is CompletenessKind.TRUNCATED, length


def test_a_tiff_whose_writer_has_not_linked_its_page_yet_may_still_grow(tmp_path: Path) -> None:
    assert judge(tmp_path, b"II*\0\0\0\0\0" + bytes(5000)) is CompletenessKind.TRUNCATED


def test_a_preallocated_file_may_still_be_filled(tmp_path: Path) -> None:
    assert judge(tmp_path, bytes(5000)) is CompletenessKind.TRUNCATED


def test_raw_pixels_that_end_in_zeros_are_doubted(tmp_path: Path) -> None:
    picture = np.full((200, 100), 90, np.uint8)
    picture[150:] = 0
    assert judge(tmp_path, saved(picture)) is CompletenessKind.ZERO_TAIL
    assert judge(tmp_path, saved(picture, compression="zlib")) is CompletenessKind.COMPLETE


def test_the_zeros_below_the_text_of_a_black_bar_are_not_doubted(tmp_path: Path) -> None:
    picture = np.full((500, 1000), 90, np.uint8)
    picture[450:] = 0
    picture[460:490, 20:600:3] = 255
    assert judge(tmp_path, saved(picture)) is CompletenessKind.COMPLETE


def test_other_files_can_never_become_good(tmp_path: Path) -> None:
    assert judge(tmp_path, b"PK\3\4 and more than a few bytes") is CompletenessKind.BROKEN
    assert judge(tmp_path, REFUSED["zero_width"]()) is CompletenessKind.BROKEN


def test_the_reason_names_the_strip(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    data = saved(PICTURE, rowsperstrip=16)
    path.write_bytes(data[:-10])
    assert (
        f"strip 4 of 4 ends beyond the file (offset {len(data) - 768} + 768 bytes"
        in completeness(str(path)).reason
    )


@pytest.mark.parametrize("make", [*READABLE.values(), *REFUSED.values(), *BOMBS.values()])
def test_hostile_files_get_a_verdict_at_once(tmp_path: Path, make: Callable[[], bytes]) -> None:
    data = make()
    start = time.process_time()
    assert judge(tmp_path, data) in CompletenessKind
    assert time.process_time() - start < 2


def test_an_absent_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        completeness(str(tmp_path / "gone.tif"))


def test_the_supervisor_gets_no_numpy_with_it() -> None:
    wanted = "semwatchd.adapters.tiff_layout, semwatchd.adapters.sidecar"
    code = f"import sys, {wanted}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
