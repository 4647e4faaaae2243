"""What the oracle knows and nobody else: each thing it put into the folder, and what must become of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fate(StrEnum):
    """How a file must end."""

    STORED = "stored"
    QUARANTINED = "quarantined"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """One version of one file, as it lay in the folder when its writer was done with it."""

    path: str
    sha256: str  #: of its bytes, hexadecimal; empty for what has none
    fate: Fate
    way: str  #: how it was written
    cycle: int
