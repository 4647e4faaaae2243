from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from semwatchd.pipeline.inference.doubt import disagreements_nm
from semwatchd.pipeline.inference.model import DepthModel
from semwatchd.pipeline.inference.probe import Probe, known_pictures

Floats = NDArray[np.float32]


def model_of(rule: Any) -> DepthModel:  # noqa: ANN401 — a function of arrays
    return DepthModel(rule, Probe(known_pictures(), rule(known_pictures())), step=4)


def even(grey: NDArray[Any]) -> Floats:
    return grey.astype(np.float32) * np.float32(0.5)


def tilted(grey: NDArray[Any]) -> Floats:
    """Sees every picture 10 nm deeper at its last line than at its first."""
    depth = even(grey)
    depth += np.linspace(0, 10, grey.shape[1])[:, None]
    return depth


def grey(rows: int, columns: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (rows, columns), np.uint8)


@pytest.mark.parametrize("size", [(72, 48), (66, 45), (300, 600)])
def test_who_does_not_care_for_up_and_down_agrees_with_himself(size: tuple[int, int]) -> None:
    model = model_of(even)
    picture = grey(*size)
    depth = model.depths([picture])[0]
    assert isinstance(depth, np.ndarray)
    assert disagreements_nm(model, [picture], [depth]) == [0]


def test_who_does_is_told_how_much() -> None:
    model = model_of(tilted)
    pictures = [grey(73, 48), grey(40, 40)]
    depths = [depth for depth in model.depths(pictures) if isinstance(depth, np.ndarray)]
    assert disagreements_nm(model, pictures, depths) == pytest.approx([5, 5], rel=0.05)


def test_no_answer_is_no_disagreement() -> None:
    def moody(pictures: NDArray[Any]) -> Floats:
        if (pictures[:, -1, 0] == 7).any():
            raise RuntimeError("no")
        return even(pictures)

    picture = grey(40, 40)
    picture[0, 0] = 7  # upside down it is in the last line
    assert disagreements_nm(model_of(moody), [picture], [even(picture)]) == [None]
