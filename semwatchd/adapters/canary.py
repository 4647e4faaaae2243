"""The canary's file on a mounted file system."""

from __future__ import annotations

import errno
import os
import posixpath
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

CONTENT = b"Written and removed by semwatchd to test its own watch (watch.canary_s). It may be deleted.\n"


PREFIX = ".semwatchd-canary-"
KEPT_IN = "canary.id"  #: in the state folder


def canary_name(state_dir: Path) -> str:
    """Return a hidden name that no other daemon uses, and the same one after every restart."""
    kept = state_dir / KEPT_IN
    with suppress(OSError):
        known = kept.read_text("ascii", "replace")
        if re.fullmatch("[0-9a-f]{8}", known):
            return PREFIX + known
    made = secrets.token_hex(4)
    with suppress(OSError):  # then only what a daemon that was killed leaves behind is not known again
        kept.write_text(made, "ascii")
    return PREFIX + made


def had_canaries(state_dir: Path) -> bool:
    """Whether a name was ever needed here, so that a file may have been left behind."""
    return (state_dir / KEPT_IN).exists()


class DiskCanary:
    """core.ports.CanaryFile on a mounted file system. Touches nothing but its own file."""

    def __init__(self, name: str) -> None:
        self.name = name

    def lay(self, root: str) -> None:
        """Make the file; what may be there of this name is an error."""
        lay(root, self.name)

    def take_away(self, root: str) -> None:
        """Remove the file if it is there."""
        take_away(root, self.name)


def lay(root: str, name: str) -> None:
    """Make the file; what may be there of this name is an error."""
    path = posixpath.join(root, name)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, CONTENT)
    finally:
        os.close(descriptor)


def take_away(root: str, name: str) -> None:
    """Remove the file if it is there, and refuse to remove anything but a small file."""
    path = posixpath.join(root, name)
    with suppress(FileNotFoundError):
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > len(CONTENT):
            raise FileExistsError(errno.EEXIST, "something else has its name", path)
        os.unlink(path)  # noqa: PTH108 — roots may hold undecodable bytes and stay plain strings
