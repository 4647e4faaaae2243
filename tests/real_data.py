"""Where the real and the corrupt images lie, for tests that use them in place. They are never copied here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
REAL = _DATA / "real"
BAD = _DATA / "bad"

needs_real_data = pytest.mark.skipif(
    not (REAL / "index.json").is_file(),
    reason="the real images are not beside this checkout (../shared/data)",
)


def catalogue(folder: Path) -> list[dict[str, Any]]:
    """Entries of a folder's index; empty where the folder is absent, so that tests can be collected."""
    index = folder / "index.json"
    return json.loads(index.read_text())["files"] if index.is_file() else []
