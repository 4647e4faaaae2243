from __future__ import annotations

from pathlib import Path

import pytest

from semwatchd.adapters.canary import CONTENT, DiskCanary, canary_name, had_canaries
from semwatchd.core.naming import NameRules


def test_the_name_is_kept_and_no_other_daemons(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert not had_canaries(tmp_path)
    name = canary_name(tmp_path)
    assert had_canaries(tmp_path)
    assert canary_name(tmp_path) == name
    assert canary_name(tmp_path / "other") != name


@pytest.mark.parametrize("content", [b"", b"\xff\xff", b"../../etc", b"1234567"])
def test_a_damaged_identity_is_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "canary.id").write_bytes(content)
    name = canary_name(tmp_path)
    assert len(name) == len(".semwatchd-canary-12345678")
    assert canary_name(tmp_path) == name


def test_a_state_folder_that_is_not_there_costs_only_the_memory(tmp_path: Path) -> None:
    assert canary_name(tmp_path / "gone").startswith(".semwatchd-canary-")


def test_no_pattern_makes_it_an_image_and_only_a_scan_that_is_told_to_reports_it(tmp_path: Path) -> None:
    name = canary_name(tmp_path)
    assert NameRules(patterns=("*",)).excluded(name)
    told = NameRules(patterns=("*",), heard=name)
    assert not told.excluded(name)
    assert told.excluded(f"lot/{name}")
    assert told.excluded(".hidden")


def test_it_is_laid_and_taken_away(tmp_path: Path) -> None:
    file = DiskCanary(".canary")
    file.lay(str(tmp_path))
    assert (tmp_path / ".canary").read_bytes() == CONTENT
    with pytest.raises(FileExistsError):
        file.lay(str(tmp_path))
    file.take_away(str(tmp_path))
    file.take_away(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_nothing_else_of_its_name_is_written_or_removed(tmp_path: Path) -> None:
    file, image = DiskCanary(".canary"), tmp_path / "a.tif"
    image.write_bytes(b"an image")
    (tmp_path / ".canary").symlink_to(image)
    for work in (file.lay, file.take_away):
        with pytest.raises(FileExistsError):
            work(str(tmp_path))
    assert image.read_bytes() == b"an image"
    (tmp_path / ".canary").unlink()
    image.rename(tmp_path / ".canary")
    (tmp_path / ".canary").write_bytes(bytes(len(CONTENT) + 1))
    with pytest.raises(FileExistsError):
        file.take_away(str(tmp_path))
