"""On which kind of file system a path lies."""

from __future__ import annotations

import os
import re

_NETWORK = frozenset({"9p", "afs", "ceph", "cifs", "coda", "davfs", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"})
_CLUSTER = frozenset({"beegfs", "gpfs", "lustre", "ocfs2", "gfs2"})
_FROM_HOST = frozenset({"prl_fs", "vboxsf", "virtiofs", "vmhgfs"})  # the host of a virtual machine writes too
MAX_LINKS = 40  #: the kernel follows no more


def filesystem_of(path: str, mounts: str) -> str:
    """Return the file system type of the mount that ``path`` lies on.

    Parameters
    ----------
    path
        Absolute, without symbolic links.
    mounts
        Text of ``/proc/self/mountinfo``.
    """
    kinds = _mounted(mounts)
    while path not in kinds and path != "/":
        path = os.path.dirname(path)  # noqa: PTH120 — a plain string with undecodable bytes
    return kinds.get(path, "unknown")


def is_network(kind: str) -> bool:
    """Whether others can write there without this machine's kernel noticing."""
    return kind in _NETWORK | _CLUSTER | _FROM_HOST or kind == "fuse" or kind.startswith("fuse.")


def on_network(root: str) -> bool:
    """Whether a folder lies on a network share. One that is not there yet is judged by where it would be.

    Nothing on a share is touched: one that hangs would hang us.
    """
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 — not a path of ours
        mounts = file.read()
    return is_network(filesystem_of(resolved(root, mounts), mounts))


def resolved(path: str, mounts: str) -> str:
    """Follow symbolic links as far as the first mount of a share, if the path leads to one."""
    kinds = _mounted(mounts)
    done, links, ahead = "/", 0, path.split("/")[::-1]
    while ahead:
        done = os.path.normpath(os.path.join(done, ahead.pop()))  # noqa: PTH118 — as above
        if is_network(kinds.get(done, "")):
            return done
        try:
            target = os.readlink(done)  # noqa: PTH115 — as above
        except OSError:  # no link, or nothing there
            continue
        if (links := links + 1) > MAX_LINKS:
            return done
        done = "/" if target.startswith("/") else os.path.dirname(done)  # noqa: PTH120
        ahead += target.split("/")[::-1]
    return done


def _mounted(mounts: str) -> dict[str, str]:
    """Return file system types by mount point; the last mount on a point covers the rest."""
    return dict(filter(None, map(_mount, mounts.splitlines())))


def _mount(line: str) -> tuple[str, str] | None:
    """Parse ``36 35 98:0 /root /mount/point options ... - type source super-options``."""
    before, separator, after = line.partition(" - ")
    fields = before.split(" ")
    if not separator or len(fields) < 5:
        return None
    return re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), fields[4]), after.split(" ")[0]
