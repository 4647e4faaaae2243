"""What a mounted file system says of a watched folder itself."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator

from semwatchd.adapters.probe import stamp_of
from semwatchd.core.naming import NameRules
from semwatchd.core.ports import Entry, FileStamp, Place


class DiskListing:
    """core.ports.FolderProbe on a mounted file system."""

    def place(self, root: str) -> Place:
        """Return which folder it is."""
        with os.scandir(root):
            status = os.stat(root)  # noqa: PTH116 — roots may hold undecodable bytes and stay plain strings
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(root)
        return Place(device=status.st_dev, inode=status.st_ino, is_mount=os.path.ismount(root))

    def entries(self, root: str, directory: str, names: NameRules) -> Iterator[Entry]:
        """List one directory; a file of an excluded name costs no look."""
        above = posixpath.join(directory, "")
        with os.scandir(posixpath.join(root, directory)) as entries:
            for entry in entries:
                name = entry.name
                if names.excluded(above + name):
                    continue
                is_directory = entry.is_dir(follow_symlinks=False)
                yield Entry(name, is_directory, None if is_directory else _stamp(entry))

    def changed_at(self, path: str) -> float:
        """Return when something was last made or removed in a directory, epoch seconds of its file system."""
        return os.stat(path).st_mtime  # noqa: PTH116 — plain strings


def _stamp(entry: os.DirEntry[str]) -> FileStamp | None:
    try:
        return stamp_of(entry.stat())
    except OSError:
        return _stamp_of_link(entry)


def _stamp_of_link(entry: os.DirEntry[str]) -> FileStamp | None:
    """Stamp of a link that leads nowhere."""
    try:
        return stamp_of(entry.stat(follow_symlinks=False))
    except OSError:
        return None
