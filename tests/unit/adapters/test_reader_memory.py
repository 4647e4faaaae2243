from __future__ import annotations

import pytest

from semwatchd.adapters import reader
from semwatchd.core.errors import DataError
from semwatchd.core.ports import SourceFile

SOURCE = SourceFile(path="/d/a.tif", data=b"II*\0", sha256="", size=4, mtime_ns=0)


@pytest.mark.parametrize(
    ("raised", "seen"),
    [(MemoryError(), MemoryError), (IndexError("7"), DataError), (DataError("x"), DataError)],
)
def test_want_of_memory_is_not_blamed_on_the_file(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, seen: type[Exception]
) -> None:
    def fail(_: bytes) -> None:
        raise raised

    monkeypatch.setattr(reader, "_format_of", fail)
    with pytest.raises(seen):
        reader.decode(SOURCE)
