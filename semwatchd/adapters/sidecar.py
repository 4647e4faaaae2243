"""Text files a microscope writes beside its images, known by their signature."""

from __future__ import annotations

import os
import stat

MAX_SIDECAR_BYTES = 1 << 16

#: First words of the sidecars we know: JEOL, Hitachi (SEM and its STEM mode), TESCAN.
SIGNATURES = ("$SEM_DATA_VERSION", "$CM_FORMAT", "[SemImageFile]", "[TemImageFile]", "[MAIN]")

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def sidecar_paths(image_path: str) -> tuple[str, ...]:
    """Where the sidecar of an image may lie, likeliest first."""
    stem, suffix = os.path.splitext(image_path)  # noqa: PTH122 — str keeps odd bytes
    dashed = f"{stem}-{suffix[1:]}" if suffix else stem
    return (
        *(stem + own for own in (".txt", ".TXT")),
        *(image_path + own for own in (".txt", ".hdr")),
        *(base + own for base in (stem, dashed) for own in (".hdr", ".HDR")),
    )


def read_sidecar(image_path: str) -> tuple[str, str] | None:
    """Path and text of the first sidecar beside an image that bears a known signature."""
    for path in sidecar_paths(image_path):
        text = _read_text(path)
        if text.startswith(SIGNATURES):
            return path, text
    return None


def _read_text(path: str) -> str:
    """First 64 KiB of a regular file as text; empty where there is none or it cannot be read."""
    try:
        if not os.access(path, os.R_OK):  # the usual case; an exception costs twice as much
            return ""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):  # the image stands without it
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return as_text(os.read(descriptor, MAX_SIDECAR_BYTES))
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def as_text(raw: bytes) -> str:
    """Decode a maker's text: UTF-16 where marked or evident, UTF-8 where valid, else Latin-1."""
    if raw.startswith(_UTF16_MARKS):
        return raw.decode("utf-16", "replace").strip("\0\ufeff \r\n\t")
    if raw[1:2] == b"\0" and raw[:1] != b"\0":
        return raw.decode("utf-16-le", "replace").strip("\0 \r\n\t")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.strip("\0 \r\n\t")
