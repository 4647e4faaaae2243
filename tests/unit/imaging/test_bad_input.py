"""One contract for all that takes a frame: a documented error, or numbers that are finite or none."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from semwatchd import imaging
from semwatchd.imaging.coarse import quartered
from semwatchd.imaging.differences import squared_differences
from semwatchd.imaging.direction import spectral_shape
from semwatchd.imaging.domain import traits
from semwatchd.imaging.drift import frame_drift, prepare_halves
from semwatchd.imaging.features import features
from semwatchd.imaging.finite import finite_frame
from semwatchd.imaging.infobar import find_info_bar
from semwatchd.imaging.intensity import intensity
from semwatchd.imaging.noise import noise_variance, variogram
from semwatchd.imaging.registration import prepare_reference, register, register_by_phase
from semwatchd.imaging.resolution import edge_resolution_px
from semwatchd.imaging.scanlines import charging, jitter_px, line_shifts, thinned, vibration
from semwatchd.imaging.sharpness import laplacian_variance
from semwatchd.imaging.similarity import prepare_original, similarity
from semwatchd.imaging.snr import image_variance
from semwatchd.imaging.spectrum import radial_spectrum, summarise, tile_power
from tests.scenes import grains, photographed

Frame = NDArray[Any]

FINE = photographed(grains(128).frame(), 5, seed=1)


def all_of_the_scan(pixels: Frame) -> Any:  # noqa: ANN401 — whatever there is to look at
    thin = thinned(pixels)
    lines = line_shifts(thin)
    return charging(thin, 1.0), lines and (jitter_px(lines), vibration(lines))


def every_feature(pixels: Frame) -> Any:  # noqa: ANN401
    return features(
        tile_power(pixels), squared_differences(pixels), image_variance(pixels), quartered(pixels)
    )


#: Every public function that takes a frame, with what is made of its answer.
FUNCTIONS: dict[str, Callable[[Frame], Any]] = {
    "quartered": quartered,
    "squared_differences": lambda p: noise_variance(squared_differences(p)),
    "intensity": intensity,
    "variogram": lambda p: variogram(p, "x", 3),
    "prepare_reference": lambda p: prepare_reference(p).levels,
    "prepare_original": lambda p: prepare_original(p).levels,
    "prepare_halves": lambda p: [half.levels for half in prepare_halves(p)],
    "frame_drift": lambda p: frame_drift(prepare_halves(FINE), p),
    "register_by_phase": lambda p: register_by_phase(FINE, p),
    "similarity": lambda p: similarity(prepare_original(p), p),
    "register": lambda p: register(prepare_reference(FINE), p),
    "edge_resolution_px": lambda p: edge_resolution_px(p, quartered(p), 1.0),
    "thinned": all_of_the_scan,
    "laplacian_variance": lambda p: laplacian_variance(p, squared_differences(p)),
    "image_variance": image_variance,
    "radial_spectrum": lambda p: summarise(radial_spectrum(p)),
    "traits": traits,
    "tile_power": lambda p: (spectral_shape(tile_power(p)), every_feature(p)),
    "finite_frame": finite_frame,
    "find_info_bar": find_info_bar,
}
EVERY = pytest.mark.parametrize("name", FUNCTIONS)
TAKES_NAN = {"finite_frame", "find_info_bar"}
TAKES_ANY_NUMBER = {"find_info_bar"}

SMALL = {"tiny": (1, 1), "row": (1, 50), "column": (50, 1), "small": (16, 16), "narrow": (16, 400)}


def test_no_function_that_takes_a_frame_is_left_out() -> None:
    modules = [module.name for module in pkgutil.iter_modules(imaging.__path__)]
    taking = {
        name
        for module in set(modules)
        - {"gray", "checks", "band"}  # of files' samples; these checks; prepared cuts
        for name, function in vars(importlib.import_module(f"semwatchd.imaging.{module}")).items()
        if inspect.isfunction(function) and function.__module__ == f"semwatchd.imaging.{module}"
        if not name.startswith("_") and "pixels" in inspect.signature(function).parameters
    }
    assert taking == set(FUNCTIONS)


def leaves(answer: Any) -> Iterator[Any]:  # noqa: ANN401
    if is_dataclass(answer):
        answer = [getattr(answer, field.name) for field in fields(answer)]
    if isinstance(answer, dict):
        answer = list(answer.values())
    if isinstance(answer, list | tuple):
        for part in answer:
            yield from leaves(part)
    else:
        yield answer


def all_finite(answer: Any) -> bool:  # noqa: ANN401
    return all(
        leaf is None or isinstance(leaf, str | np.dtype) or bool(np.isfinite(leaf).all())
        for leaf in leaves(answer)
    )


@EVERY
@pytest.mark.parametrize("shape", [(64,), (64, 64, 3), (64, 64, 1), ()])
def test_what_has_no_rows_and_columns_is_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="rows and columns"):
        FUNCTIONS[name](np.ones(shape, np.uint8))


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - TAKES_ANY_NUMBER))
@pytest.mark.parametrize("dtype", ["float64", "int16", "int32", "bool", "complex64", ">u2"])
def test_other_samples_are_refused(name: str, dtype: str) -> None:
    with pytest.raises(TypeError, match="as_grey_samples"):
        FUNCTIONS[name](np.ones((64, 64), dtype))


@EVERY
@pytest.mark.parametrize("shape", [(0, 0), (0, 64), (64, 0)])
def test_an_empty_frame_is_refused(name: str, shape: tuple[int, int]) -> None:
    if name in TAKES_ANY_NUMBER:
        assert FUNCTIONS[name](np.ones(shape, np.uint8)) == 0
        return
    with pytest.raises(ValueError, match="needed"):
        FUNCTIONS[name](np.ones(shape, np.uint8))


@EVERY
@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused_where_no_answer_could_be_right(name: str, odd: float) -> None:
    pixels = FINE.astype(np.float32)
    pixels[60:62, 60] = odd
    if name in TAKES_NAN:
        FUNCTIONS[name](pixels)
        return
    with pytest.raises(ValueError, match="finite_frame"):
        FUNCTIONS[name](pixels)


def answer_or_refusal(name: str, pixels: Frame) -> Any:  # noqa: ANN401
    try:
        return FUNCTIONS[name](pixels)
    except ValueError as error:
        return str(error)


@EVERY
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("level", [0, 200])
@pytest.mark.parametrize("shape", [(64, 64), (200, 90), *SMALL.values()], ids=str)
def test_a_constant_has_finite_numbers_or_none(
    name: str, dtype: type[np.generic], level: int, shape: tuple[int, int]
) -> None:
    answer = answer_or_refusal(name, np.full(shape, level, dtype))
    if isinstance(answer, str):
        assert "px" in answer
        assert min(shape) < 32
    assert all_finite(answer)


@EVERY
@pytest.mark.parametrize("low_high", [(0, 255), (0, 0), (255, 255)])
def test_saturated_frames_have_finite_numbers_or_none(name: str, low_high: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    pixels = np.where(rng.random((100, 70)) < 0.5, *low_high).astype(np.uint8)
    assert all_finite(FUNCTIONS[name](pixels))


@EVERY
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_input_stays_as_it_was(name: str, dtype: type[np.generic]) -> None:
    pixels = FINE.astype(dtype)
    before = pixels.copy()
    pixels.flags.writeable = False
    FUNCTIONS[name](pixels)
    assert np.array_equal(pixels, before)


EXACT = sorted({"squared_differences", "variogram", "laplacian_variance", "image_variance", "tile_power"})


def figures(name: str, pixels: Frame) -> list[float]:
    return [float(leaf) for leaf in leaves(FUNCTIONS[name](pixels)) if isinstance(leaf, int | float)]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.sampled_from(EXACT), st.integers(0, 1000))
def test_the_sample_type_does_not_matter(name: str, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 80)).astype(np.uint8)
    first, *others = (figures(name, pixels.astype(t)) for t in (np.uint8, np.uint16, np.float32))
    for other in others:
        assert other == pytest.approx(first, rel=0.01, abs=0.02)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 1000), st.integers(0, 100), st.integers(0, 100))
def test_a_transposed_frame_has_transposed_numbers(seed: int, down: int, right: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64)).astype(np.uint8)
    turned = np.ascontiguousarray(pixels.T)
    table, other = squared_differences(pixels), squared_differences(turned)
    for (y, x), value in table.items():
        lag = max((x, y), (-x, -y))
        assert other[lag] == pytest.approx(value)
    assert laplacian_variance(turned, other) == pytest.approx(laplacian_variance(pixels, table))
    assert variogram(turned, "y", 5) == pytest.approx(variogram(pixels, "x", 5))
    moved = np.roll(pixels, (down, right), (0, 1))
    assert image_variance(moved) == pytest.approx(image_variance(pixels))
    assert intensity(moved) == intensity(pixels)
