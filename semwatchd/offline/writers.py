"""The ways in which a tool's software puts an image into a folder, from polite to rude.

Each writer takes the finished bytes and leaves them under the given path; what differs is what a
watcher can see meanwhile. The pause is an argument, so a test need not wait.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tifffile
from numpy.typing import NDArray

CHUNKS = 4  # of a slow write
KEPT = 0.6  # of a broken file

Pause = Callable[[], None]
Writer = Callable[[Path, bytes, Pause], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A file as it lies in the folder when its writer is done with it."""

    path: Path
    sha256: str  #: of the bytes that are there, hexadecimal


def tiff_bytes(pixels: NDArray[Any], pixel_size_nm: float, description: str = "") -> bytes:
    """Encode one grey picture as an uncompressed TIFF with its resolution in pixels per centimetre."""
    buffer = BytesIO()
    per_centimetre = 1e7 / pixel_size_nm
    tifffile.imwrite(
        buffer,
        pixels,
        photometric="minisblack",
        resolution=(per_centimetre, per_centimetre),
        resolutionunit="CENTIMETER",
        description=description,
        metadata=None,
    )
    return buffer.getvalue()


def write(name: str, path: Path, data: bytes, pause: Pause) -> Written:
    """Write ``data`` in the named way (see :data:`WRITERS`), making the directory first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    WRITERS[name](path, data, pause)
    return Written(path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def direct(path: Path, data: bytes, _: Pause) -> None:
    """Open, write, close, without a break."""
    path.write_bytes(data)


def slow(path: Path, data: bytes, pause: Pause) -> None:
    """Write in chunks with a pause after each; the file stays open."""
    step = -(-len(data) // CHUNKS)
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(data), step):
            file.write(data[start : start + step])
            pause()


def preallocated(path: Path, data: bytes, pause: Pause) -> None:
    """Give the file its full size at once and fill it later; until then it is all zeros."""
    with path.open("wb", buffering=0) as file:
        os.ftruncate(file.fileno(), len(data))
        pause()
        file.write(data)


def renamed(path: Path, data: bytes, pause: Pause) -> None:
    """Write under a temporary name in the same directory and rename into place."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(data)
    pause()
    temporary.rename(path)


def reopened(path: Path, data: bytes, pause: Pause) -> None:
    """Write the first half, close the file, and open it again for the rest."""
    half = len(data) // 2
    path.write_bytes(data[:half])
    pause()
    with path.open("ab") as file:
        file.write(data[half:])


def broken(path: Path, data: bytes, _: Pause) -> None:
    """Leave a file whose end never comes."""
    path.write_bytes(data[: int(len(data) * KEPT)])


WRITERS: Mapping[str, Writer] = MappingProxyType(
    {
        "direct": direct,
        "slow": slow,
        "preallocated": preallocated,
        "renamed": renamed,
        "reopened": reopened,
        "broken": broken,
    }
)
