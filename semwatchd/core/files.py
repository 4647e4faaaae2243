"""Files that are seen whole or not at all, and are still there after a power cut."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path


class Step(StrEnum):
    """How far a file has come; a process may die after each."""

    WRITTEN = "written"  #: under a temporary name
    SYNCED = "synced"  #: its content is on the disk
    NAMED = "named"  #: it has its name, but perhaps not yet on the disk


def _go_on(_: Step) -> None:
    pass


def write_whole(path: Path, content: bytes, reached: Callable[[Step], None] = _go_on) -> None:
    """Temp file in the same folder, fsync, rename, fsync the folder.

    The temp file's name is fixed, so what a crash left behind is written over by the next try.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            reached(Step.WRITTEN)
            os.fsync(file.fileno())
    except OSError:
        part.unlink(missing_ok=True)  # on a full disk its room is missed
        raise
    reached(Step.SYNCED)
    part.replace(path)
    reached(Step.NAMED)
    _sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, so that they are still there after a power cut."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network shares cannot sync a folder
            raise
    finally:
        os.close(handle)
