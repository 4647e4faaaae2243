import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from semwatchd.core.files import Step, make_folder, write_whole


class PowerCutError(Exception):
    pass


def cut_after(wanted: Step) -> Callable[[Step], None]:
    def reached(step: Step) -> None:
        if step is wanted:
            raise PowerCutError

    return reached


def visible(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*")}


@pytest.mark.parametrize("step", Step)
def test_whenever_it_dies_the_old_or_the_new_file_is_there_and_whole(tmp_path: Path, step: Step) -> None:
    path = tmp_path / "depth.tif"
    write_whole(path, b"old")
    with pytest.raises(PowerCutError):
        write_whole(path, b"new", cut_after(step))
    assert visible(tmp_path) == {"depth.tif": b"new" if step is Step.NAMED else b"old"}
    write_whole(path, b"newer")  # what was left behind is in nobody's way
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"newer"


def test_file_and_folder_are_synced_in_the_right_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda handle: steps.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
    )
    write_whole(tmp_path / "a", b"x", steps.append)
    temporary, folder = str(tmp_path / ".a.part"), str(tmp_path)
    assert steps == ["written", temporary, "synced", "named", folder]


def test_a_share_that_cannot_sync_folders_is_forgiven_but_no_other_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, folder = os.fsync, str(tmp_path)

    def failing(code: int) -> Callable[[int], None]:
        def fsync(handle: int) -> None:
            if str(Path(f"/proc/self/fd/{handle}").readlink()) == folder:
                raise OSError(code, os.strerror(code))
            sync(handle)

        return fsync

    monkeypatch.setattr(os, "fsync", failing(errno.EINVAL))
    write_whole(tmp_path / "a", b"x")
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        write_whole(tmp_path / "b", b"x")


def test_what_a_full_disk_did_not_take_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "depth.tif"
    write_whole(path, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    assert [(left.name, left.read_bytes()) for left in tmp_path.iterdir()] == [("depth.tif", b"old")]


def test_each_new_folder_is_synced_into_the_one_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(Path(f"/proc/self/fd/{handle}").readlink()))
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "c")
    make_folder(tmp_path / "a" / "c")
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a"]
    assert (tmp_path / "a" / "c").is_dir()


def test_a_file_where_a_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(OSError, match="a"):
        make_folder(tmp_path / "a")
