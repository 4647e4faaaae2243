"""Which names in a watched folder are images, which lie beside one, and which are not there yet."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

#: A file or directory so named is still being written or is nobody's business; its final name counts.
TEMPORARY = (".*", "~$*", "*.tmp", "*.part", "*.partial", "*.crdownload", "*.filepart", "*~", "*.swp")

#: JEOL and Hitachi write ``NAME.txt`` beside the image, TESCAN ``NAME-tif.hdr``. Never images themselves.
SIDECAR_SUFFIXES = (".txt", ".hdr")

#: Begins the reason why a file of another type is ignored; when the patterns change, it is looked at again.
UNKNOWN_TYPE = "unknown file type"

_IMAGE_SUFFIXES = (".tif", ".tiff", ".bmp", ".png", ".jpg", ".jpeg", ".sitif")


@lru_cache(maxsize=256)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Compile shell patterns into one expression that disregards case, as the Windows tools do."""
    return re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)", re.IGNORECASE)


def _anywhere(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Compile patterns that begin or end with ``*`` to be found as any part of a path; see above for case."""
    begins = "|".join(re.escape(pattern[:-1]) for pattern in patterns if pattern.endswith("*"))
    ends = "|".join(re.escape(pattern[1:]) for pattern in patterns if pattern.startswith("*"))
    return re.compile(rf"(?:^|/)(?:{begins})|(?:{ends})(?:/|\Z)", re.IGNORECASE)


_TEMPORARY = _anywhere(TEMPORARY)


@dataclass(frozen=True, slots=True)
class NameRules:
    """What the operator wants to be read, and not to be touched, below one folder.

    ``patterns`` match the file name; ``exclude`` matches the path below the root, of a file or of any
    directory above it. Case does not matter. ``heard`` is the one hidden file to be reported all the same.
    """

    patterns: tuple[str, ...] = ("*.tif", "*.tiff")
    exclude: tuple[str, ...] = ()
    heard: str | None = None

    def excluded(self, relpath: str) -> bool:
        """Whether the file or directory is to be left alone, or will come back under another name."""
        if relpath == self.heard:
            return False
        if _TEMPORARY.search(relpath):
            return True
        return bool(self.exclude) and any(map(_compiled(self.exclude).match, _and_above(relpath)))

    def reads(self, name: str) -> bool:
        """Whether a file of this name is to be read as an image."""
        return not is_sidecar(name) and bool(_compiled(self.patterns).match(name))


def is_sidecar(name: str) -> bool:
    """Whether a file of this name can only describe an image."""
    return name.lower().endswith(SIDECAR_SUFFIXES)


def described_images(name: str) -> Iterator[str]:
    """Names of the images a sidecar may belong to, the likeliest first."""
    stem = posixpath.splitext(name)[0]
    for suffix in _IMAGE_SUFFIXES:
        if stem.lower().endswith((f"-{suffix[1:]}", suffix)):
            yield stem[: -len(suffix)] + "." + stem[1 - len(suffix) :]
    for suffix in _IMAGE_SUFFIXES:
        yield stem + suffix
        yield stem + suffix.upper()


def _and_above(relpath: str) -> Iterator[str]:
    while relpath.strip("/"):
        yield relpath
        relpath = posixpath.dirname(relpath)
