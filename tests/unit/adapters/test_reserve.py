"""The reserve really takes its room, and really gives it back."""

from __future__ import annotations

from pathlib import Path

from semwatchd.adapters.reserve import ReserveFile

SIZE = 1024 * 1024


def test_it_takes_room_and_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.reserve"
    reserve = ReserveFile(path, SIZE)
    reserve.restore()
    assert path.stat().st_blocks * 512 >= SIZE
    reserve.release()
    assert (path.exists(), reserve.spent) == (False, True)
    reserve.restore()
    assert (path.stat().st_size, reserve.spent) == (SIZE, False)


def test_what_was_never_made_cannot_be_spent(tmp_path: Path) -> None:
    reserve = ReserveFile(tmp_path / "journal.reserve", SIZE)
    reserve.release()
    assert not reserve.spent


def test_a_disk_without_room_for_it_leaves_no_piece_behind(tmp_path: Path) -> None:
    reserve = ReserveFile(tmp_path / "journal.reserve", 2**60)
    reserve.restore()
    assert not any(tmp_path.iterdir())
