"""The bound is what the best estimate reaches, and moves as physics says."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from semwatchd.synth.bound import LEVEL, Holes, best_guess_rmse, floor_of
from semwatchd.synth.domain import ONE_TOOL, Domain
from semwatchd.synth.scene import LEVELS_NM, ONE_PRODUCT

SIZE = (48, 48)


def known_exactly(domain: Domain) -> Domain:
    """Everything about the tool within a millionth of its middle."""
    middles = {field.name: sum(getattr(domain, field.name)) / 2 for field in fields(domain)}
    return replace(domain, **{name: (value, value + 1e-6) for name, value in middles.items()})


def test_the_best_estimate_reaches_the_bound() -> None:
    domain, sidewall_deg = known_exactly(ONE_TOOL), 86.0
    bound = floor_of(1, 0, 1, SIZE, domain=domain, sidewall_deg=(sidewall_deg, sidewall_deg + 1e-6))
    holes = Holes(1, 0, SIZE)
    names = (field.name for field in fields(domain))
    settings = {name: getattr(domain, name)[0] for name in names} | {"sidewall_deg": sidewall_deg}

    def grey(level_nm: float, outline_nm: float = 0.0) -> np.ndarray:
        return holes.grey({**settings, LEVEL: level_nm, "outline_nm": outline_nm})

    truth, by_level = grey(155.0), (grey(157.0) - grey(153.0)) / 4
    by_outline = (grey(155.0, 0.1) - grey(155.0, -0.1)) / 0.2
    variance = (truth - settings["black_grey"]) * settings["flat_grey"] / domain.dose[0] + 4
    slopes = np.stack([by_level.ravel(), by_outline.ravel()])
    information = (slopes / variance.ravel()) @ slopes.T + np.diag([0.0, 12.0])
    rng = np.random.default_rng(0)
    read = []
    for _ in range(2000):
        outline_nm = rng.uniform(-0.5, 0.5)
        off = outline_nm * by_outline + rng.normal(0, np.sqrt(variance))
        seen = np.rint(truth + off) - truth
        read.append(np.linalg.solve(information, (slopes / variance.ravel()) @ seen.ravel())[0])
    assert np.std(read) == pytest.approx(bound.level_nm, rel=0.06)


def test_more_electrons_tell_more_and_a_free_wall_hides_the_level() -> None:
    one, four = (floor_of(1, 0, shots, SIZE) for shots in (1, 4))
    assert four.level_nm < one.level_nm
    assert four.edges_nm < one.edges_nm
    assert four.picture_nm < one.picture_nm
    brighter = floor_of(1, 0, 1, SIZE, domain=replace(ONE_TOOL, dose=(800.0, 800.0)))
    assert one.level_nm > brighter.level_nm >= four.level_nm  # whose detector noise is averaged too
    free = floor_of(1, 0, 1, SIZE, sidewall_deg=(80.0, 88.5))
    assert free.level_nm > 1.1 * one.level_nm


def test_without_electrons_edges_are_off_by_their_roughness() -> None:
    dark = floor_of(1, 0, 1, SIZE, domain=replace(ONE_TOOL, dose=(1e-6, 1e-6)))
    holes, tool = Holes(1, 0, SIZE), known_exactly(ONE_TOOL)
    settings = {field.name: getattr(tool, field.name)[0] for field in fields(tool)} | {"sidewall_deg": 86.0}
    out, back = (holes.depth({**settings, LEVEL: 155.0, "outline_nm": by}) for by in (0.25, -0.25))
    roughness_nm = float(np.mean(ONE_PRODUCT.roughness_nm))
    assert dark.edges_nm == pytest.approx(
        roughness_nm * np.sqrt(np.mean(((out - back) / 0.5) ** 2)), rel=1e-3
    )


@pytest.mark.parametrize(("sigma_nm", "rmse_nm"), [(0.1, 0.0), (1e4, float(np.std(LEVELS_NM)))])
def test_the_best_guess_is_exact_with_an_exact_reading_and_the_mean_with_none(
    sigma_nm: float, rmse_nm: float
) -> None:
    assert best_guess_rmse(sigma_nm) == pytest.approx(rmse_nm, abs=1e-3)


def test_the_best_guess_is_what_drawing_readings_gives() -> None:
    rng = np.random.default_rng(0)
    levels, sigma_nm = np.array(LEVELS_NM), 4.0
    truth = rng.choice(levels, 100_000)
    reading = truth + rng.normal(0, sigma_nm, len(truth))
    likely = np.exp(-0.5 * np.square((reading[:, None] - levels) / sigma_nm))
    guess = likely @ levels / likely.sum(axis=1)
    assert best_guess_rmse(sigma_nm) == pytest.approx(float(np.sqrt(np.mean((guess - truth) ** 2))), rel=0.01)
