from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwatchd.core.naming import TEMPORARY, NameRules, described_images

RULES = NameRules(exclude=("old", "*/thumbs", "lot?/raw*"))


@pytest.mark.parametrize(
    ("relpath", "excluded"),
    [
        ("a.tif", False),
        ("old", True),
        ("old/deep/a.tif", True),
        ("older/a.tif", False),
        ("x/old/a.tif", False),
        ("x/thumbs/a.tif", True),
        ("LOT1/Raw7/a.tif", True),
        (".a.tif", True),
        ("x/.cache/a.tif", True),
        ("~$a.tif", True),
        ("a.tif.PART", True),
        ("/absolute", False),
    ],
)
def test_excludes_match_the_path_and_everything_under_it(relpath: str, excluded: bool) -> None:  # noqa: FBT001 — a parameter
    assert RULES.excluded(relpath) is excluded


@pytest.mark.parametrize("name", ["a.tif", "A.TIFF", "a\nb.Tif", "\udcff.tif", ".tif"])
def test_patterns_disregard_case_and_take_any_name(name: str) -> None:
    assert NameRules().reads(name)


def test_a_sidecar_names_its_likeliest_image_first() -> None:
    assert next(described_images("scan-tif.hdr")) == "scan.tif"
    assert next(described_images("scan.TIF.txt")) == "scan.TIF"
    assert next(described_images("scan.txt")) == "scan.tif"


@given(st.text(alphabet=st.characters(codec=None, exclude_characters="\0"), max_size=20))
@settings(max_examples=100, derandomize=True, deadline=None, database=None)
def test_any_name_can_be_judged(name: str) -> None:
    RULES.excluded(name)
    RULES.reads(name)


@given(
    st.lists(
        st.text("aA.~$/\n", max_size=4)
        | st.sampled_from(
            [pattern.replace("*", text) for pattern in TEMPORARY for text in ("", "x", "X\n", "/.TMP")]
        ),
        max_size=4,
    )
)
def test_a_temporary_name_is_found_in_any_part_of_a_path(parts: list[str]) -> None:
    relpath = "/".join(parts)
    told_slowly = any(
        fnmatch.fnmatchcase(part.lower(), pattern) for part in relpath.split("/") for pattern in TEMPORARY
    )
    assert NameRules().excluded(relpath) is told_slowly
