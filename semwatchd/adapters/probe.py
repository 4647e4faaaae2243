"""What settling asks of a file on a local disk or a mounted share."""

from __future__ import annotations

import errno
import fcntl
import os
import posixpath
import signal
import stat

from semwatchd.adapters.tiff_layout import completeness
from semwatchd.core.ports import Completeness, FileLook, FileStamp

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISDIR, "a symbolic link to a directory"),  # a directory itself is never looked at
)

_INT64_MAX = 2**63 - 1


def ignore_lease_signal() -> None:
    """Keep the kernel's lease signal from ending this process; call once, in the main thread.

    While :meth:`DiskProbe.being_written` holds its lease, for microseconds, a program that opens the
    file to write makes the kernel send SIGIO, whose default action is to terminate.
    """
    signal.signal(signal.SIGIO, signal.SIG_IGN)


def stamp_of(status: os.stat_result) -> FileStamp:
    """Return which version of a file a stat result speaks of, in integers a database can hold.

    Shares hand out inode numbers of 64 bits, and a tool whose clock is wrong writes in the year 2400.
    """
    mtime_ns = status.st_mtime_ns
    if abs(mtime_ns) > _INT64_MAX:
        mtime_ns = _INT64_MAX if mtime_ns > 0 else -_INT64_MAX
    return FileStamp(status.st_size, mtime_ns, status.st_ino & _INT64_MAX)


class DiskProbe:
    """core.ports.FileProbe on a mounted file system. Opens nothing but regular files."""

    def look(self, root: str, relpath: str) -> FileLook | None:
        """Stat the file; None where there is none, or a directory."""
        path = posixpath.join(root, relpath)
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if stat.S_ISDIR(status.st_mode):
            return None
        if stat.S_ISLNK(status.st_mode):
            return _look_through(root, path, status)
        return FileLook(stamp=stamp_of(status), oddity=_oddity(status))

    def being_written(self, path: str) -> bool | None:
        """Whether any program holds the file open for writing; None where that cannot be told.

        Asks for a read lease, which Linux refuses while a writer is there. It takes the file's owner or
        CAP_LEASE, and a local file system; elsewhere only quiet time and content can tell.
        """
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except BlockingIOError:
            return True  # another lease is being broken for a writer at this moment
        try:
            return _refuses_lease(fd) if stat.S_ISREG(os.fstat(fd).st_mode) else None
        finally:
            os.close(fd)

    def completeness(self, path: str) -> Completeness:
        """Whether the layout of the file says that all of it is there."""
        return completeness(path)


def _refuses_lease(fd: int) -> bool | None:
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _oddity(status: os.stat_result) -> str | None:
    if stat.S_ISREG(status.st_mode):
        return None
    kind = next((name for matches, name in _KINDS if matches(status.st_mode)), "of an unknown kind")
    return f"not a regular file: {kind}"


def _look_through(root: str, path: str, link: os.stat_result) -> FileLook:
    """Look at what a symbolic link points to, if that lies below the same root."""
    try:
        target = os.stat(path)  # noqa: PTH116 — paths may hold undecodable bytes and stay plain strings
    except OSError as error:
        return FileLook(stamp=stamp_of(link), oddity=f"symbolic link to nothing: {error.strerror}")
    inside = os.path.realpath(root)
    if os.path.commonpath([inside, os.path.realpath(path)]) != inside:
        return FileLook(stamp=stamp_of(target), oddity="refused: symbolic link leaves the watched folder")
    return FileLook(stamp=stamp_of(target), oddity=_oddity(target))
