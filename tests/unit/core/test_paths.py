from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwatchd.core.paths import escape, one_line, unescape

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("plain name.tif", "plain name.tif"),
        ("웨이퍼 3.tif", "웨이퍼 3.tif"),
        ("back\\slash", "back\\\\slash"),
        ("line\nbreak\x1b[31m", "line\\x0abreak\\x1b[31m"),
        ("\x85 and \u2028", "\\u0085 and \\u2028"),
        (os.fsdecode(b"\xff\xb0 \xec\x84\xbc"), "\\xff\\xb0 센"),
        ("\\x0a", "\\\\x0a"),
        ("\ud800", "\\ud800"),
    ],
)
def test_a_name_is_written_on_one_line_and_read_back(name: str, written: str) -> None:
    assert escape(name) == written
    assert unescape(written) == name


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(ANY_TEXT)
def test_every_name_comes_back_and_can_be_carried_anywhere(name: str) -> None:
    written = escape(name)
    assert unescape(written) == name
    assert len(written.encode().decode().splitlines()) <= 1


@settings(max_examples=100, derandomize=True, deadline=None, database=None)
@given(st.binary(max_size=255))
def test_every_file_name_keeps_its_bytes(raw: bytes) -> None:
    assert os.fsencode(unescape(escape(os.fsdecode(raw)))) == raw


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(ANY_TEXT)
def test_a_reason_may_be_cleaned_twice_and_may_quote_an_escaped_name(text: str) -> None:
    assert one_line(one_line(text)) == one_line(text)
    assert one_line(escape(text)) == escape(text)
    assert len(one_line(text).encode().decode().splitlines()) <= 1
