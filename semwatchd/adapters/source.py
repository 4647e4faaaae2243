"""Disk to bytes: one read of a file that does not change meanwhile, and the hash of exactly those bytes."""

from __future__ import annotations

import errno
import hashlib
import os
import stat

from semwatchd.adapters.probe import stamp_of
from semwatchd.core.errors import DataError, EnvironmentFault, FileChangedError, FileGoneError
from semwatchd.core.ports import SourceFile

DEFAULT_MAX_BYTES = 2 << 30

#: O_NONBLOCK keeps a pipe laid in the folder from holding the worker for ever.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC

_REMEDIES = {
    errno.ENOENT: "it was moved or deleted before it was read; check what else works in this folder",
    errno.EACCES: "the service's user may not read it; check its permissions",
    errno.EPERM: "the service's user may not read it; check its permissions",
    errno.EIO: "the disk or the share failed to deliver it; check the device and the network",
    errno.ESTALE: "the share was mounted anew; check the mount",
    errno.EMFILE: "too many files are open; raise the service's LimitNOFILE",
    errno.ENOMEM: "memory ran out; check what else runs on this machine",
}


def read_once(path: str, max_bytes: int = DEFAULT_MAX_BYTES) -> SourceFile:
    """Read a whole regular file.

    Raises
    ------
    EnvironmentFault
        Where the file cannot be reached now; the image itself may be good.
    FileGoneError
        Where there is no such file.
    FileChangedError
        Where it was written to, or replaced, while we read.
    DataError
        Where it is no regular file, or larger than ``max_bytes``.
    """
    try:
        return _read(path, max_bytes)
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "check disk, share and permissions")
        fault = FileGoneError if isinstance(error, FileNotFoundError) else EnvironmentFault
        raise fault(f"{path} cannot be read: {error.strerror or error}; {remedy}") from error


def _read(path: str, max_bytes: int) -> SourceFile:
    descriptor = os.open(path, _FLAGS)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise DataError(f"{path} is not a regular file: nothing is read from it")
        if before.st_size > max_bytes:
            raise DataError(f"{path} holds {before.st_size} bytes; the limit is {max_bytes}")
        data = os.read(descriptor, before.st_size + 1)  # one more, to notice growth
        while len(data) < before.st_size and (more := os.read(descriptor, before.st_size + 1 - len(data))):
            data += more  # one system call delivers at most 2 GiB, and a share may deliver less
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if _version(before) != _version(after) or len(data) != before.st_size:
        raise FileChangedError(f"{path} was written to while it was read")
    if _version(os.stat(path)) != _version(before):  # noqa: PTH116 — paths may hold undecodable bytes; keep str
        raise FileChangedError(f"{path} was replaced while it was read")
    return SourceFile(
        path=path,
        data=data,
        sha256=hashlib.sha256(data, usedforsecurity=False).hexdigest(),
        size=len(data),
        mtime_ns=stamp_of(before).mtime_ns,
    )


def _version(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
