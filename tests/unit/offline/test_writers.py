import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile

from semwatchd.offline.writers import WRITERS, tiff_bytes, write

PIXELS = np.arange(64 * 96, dtype=np.uint16).reshape(64, 96)
DATA = tiff_bytes(PIXELS, pixel_size_nm=2.5)
WHOLE = [name for name in WRITERS if name != "broken"]


class Watcher:
    """Looks at the folder whenever a writer pauses."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.seen: list[dict[str, int]] = []

    def __call__(self) -> None:
        self.seen.append({path.name: path.stat().st_size for path in self.directory.iterdir()})


@pytest.fixture
def watcher(tmp_path: Path) -> Watcher:
    return Watcher(tmp_path)


@pytest.mark.parametrize("name", WHOLE)
def test_in_the_end_every_byte_is_there(name: str, tmp_path: Path, watcher: Watcher) -> None:
    written = write(name, tmp_path / "a.tif", DATA, watcher)
    assert written.path.read_bytes() == DATA
    assert written.sha256 == hashlib.sha256(DATA).hexdigest()
    assert list(tmp_path.iterdir()) == [written.path]


def test_a_slow_file_grows(tmp_path: Path, watcher: Watcher) -> None:
    write("slow", tmp_path / "a.tif", DATA, watcher)
    sizes = [view["a.tif"] for view in watcher.seen]
    assert len(sizes) == 4
    assert sizes == sorted(set(sizes))


def test_a_preallocated_file_has_its_size_at_once(tmp_path: Path, watcher: Watcher) -> None:
    write("preallocated", tmp_path / "a.tif", DATA, watcher)
    assert watcher.seen == [{"a.tif": len(DATA)}]


def test_a_renamed_file_is_not_there_before_it_is_whole(tmp_path: Path, watcher: Watcher) -> None:
    write("renamed", tmp_path / "a.tif", DATA, watcher)
    assert watcher.seen == [{"a.tif.tmp": len(DATA)}]


def test_a_reopened_file_is_half_there_while_closed(tmp_path: Path, watcher: Watcher) -> None:
    write("reopened", tmp_path / "a.tif", DATA, watcher)
    assert watcher.seen == [{"a.tif": len(DATA) // 2}]


def test_a_broken_file_lacks_its_end_and_says_so_by_its_hash(tmp_path: Path, watcher: Watcher) -> None:
    written = write("broken", tmp_path / "a.tif", DATA, watcher)
    left = written.path.read_bytes()
    assert DATA.startswith(left)
    assert len(left) < len(DATA)
    assert written.sha256 == hashlib.sha256(left).hexdigest()


def test_a_missing_directory_is_made(tmp_path: Path, watcher: Watcher) -> None:
    written = write("direct", tmp_path / "LOT0001" / "a.tif", DATA, watcher)
    assert written.path.exists()


def test_the_tiff_holds_the_picture_and_its_pixel_size() -> None:
    with tifffile.TiffFile(BytesIO(DATA)) as tiff:
        page = tiff.pages.first
        assert np.array_equal(page.asarray(), PIXELS)
        numerator, denominator = page.tags["XResolution"].value
        assert page.tags["ResolutionUnit"].value == tifffile.RESUNIT.CENTIMETER
    assert 1e7 / (numerator / denominator) == pytest.approx(2.5, rel=1e-6)
