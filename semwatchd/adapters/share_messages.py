"""What the daemon and the helper of a share say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MESSAGE_BYTES = 1 << 18  #: more than any question or answer has
READY = b"ready"  #: the helper's first word


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to do: an ability of the helper, by name."""

    what: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it."""

    value: Any = None
    error: OSError | None = None
