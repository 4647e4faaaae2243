from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from semwatchd.imaging.domain import outside, ranges, traits
from semwatchd.synth.scene import SceneSpec, make_scene
from semwatchd.synth.tracks import Track

Grey = NDArray[np.uint8]


def frames(track: Track, seed: int, count: int, size: tuple[int, int] = (72, 48)) -> list[Grey]:
    spec = SceneSpec(track=track, rows=size[0], columns=size[1], shots=1, seed=seed, defect_share=0)
    return [make_scene(spec, index).shots[0] for index in range(count)]


@pytest.fixture(scope="module")
def learned() -> dict[str, tuple[float, float]]:
    return ranges([traits(frame) for frame in frames(Track.A, 1, 120)])


def share_outside(pictures: list[Grey], learned: dict[str, tuple[float, float]]) -> float:
    return float(np.mean([bool(outside([traits(picture)], learned)) for picture in pictures]))


def test_pictures_of_the_same_tool_are_inside_whatever_their_size(
    learned: dict[str, tuple[float, float]],
) -> None:
    assert share_outside(frames(Track.A, 2, 60), learned) <= 0.05
    assert share_outside(frames(Track.A, 3, 4, (200, 160)), learned) == 0


def test_another_microscope_is_noticed(learned: dict[str, tuple[float, float]]) -> None:
    assert share_outside(frames(Track.A_SHIFT, 2, 20), learned) > 0.9


@pytest.mark.parametrize(
    ("change", "trait"),
    [
        (lambda grey: grey // 2, "level"),
        (lambda grey: (grey // 4 + 80).astype(np.uint8), "contrast"),
        (lambda grey: cv2.GaussianBlur(grey, (0, 0), 3), "sharpness"),
        (lambda grey: np.full_like(grey, 100), "contrast"),
    ],
    ids=["dark", "flat", "blurred", "empty"],
)
def test_what_changed_is_named(
    change: Callable[[Grey], Any], trait: str, learned: dict[str, tuple[float, float]]
) -> None:
    warnings = outside([traits(change(frames(Track.A, 2, 1)[0]))], learned)
    assert any(warning.startswith(f"out of domain: {trait} ") for warning in warnings)


def test_the_traits_do_not_depend_on_how_many_bits_hold_the_picture() -> None:
    (grey,) = frames(Track.A, 1, 1)
    eight = traits(grey)
    assert traits(grey.astype(np.uint16) * 257) == pytest.approx(eight, rel=1e-4)
    assert traits(grey.astype(np.float32)) == pytest.approx(eight, rel=1e-4)


def test_what_has_no_range_is_not_judged() -> None:
    assert outside([{"level": 3.0, "contrast": 4.0}], {"contrast": [1, 5]}) == ()
    (warning,) = outside([{"level": 3.0, "contrast": 4.0}], {"contrast": [4.5, 5]})
    assert warning == "out of domain: contrast 4, in training 4.5 to 5"


def test_of_several_parts_the_farthest_is_named_and_how_many_stray() -> None:
    found = [{"level": level} for level in (100.0, 90.0, 150.0, 140.0)] + [{"contrast": 9.0}]
    (warning,) = outside(found, {"level": [95, 130]})
    assert warning == "out of domain: level 150 in 3 of 5 parts, in training 95 to 130"
