from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from semwatchd.core.text import printable


def test_undecodable_bytes_are_written_out_and_the_rest_stays() -> None:
    assert printable(os.fsdecode(b"/data/\xff\xb0 \xec\x84\xbc.tif")) == "/data/\\xff\\xb0 센.tif"
    assert printable("a\\b\n\ud800") == "a\\b\n\\ud800"


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.text(st.characters(exclude_categories=())))
def test_any_text_can_be_written_as_utf8(text: str) -> None:
    assert printable(text).encode().decode() == printable(printable(text))
