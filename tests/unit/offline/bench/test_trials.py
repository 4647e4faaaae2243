import numpy as np
import pytest

from semwatchd.offline.bench.accuracy import registration_rows, snr_rows
from semwatchd.offline.bench.scenes import Exposure, exposed, grains, lines, noise_sigma, particles, signal_of
from semwatchd.offline.bench.trials import Miss, SnrMiss, shift_bound


@pytest.mark.parametrize("snr", [1, 20])
def test_the_noise_is_as_strong_as_was_asked_and_nothing_is_clipped(snr: float) -> None:
    signal = signal_of(lines(256).frame(), snr)
    image = exposed(np.random.default_rng(0), signal, noise_sigma(signal, snr), Exposure())
    assert signal.var() / (image - signal).var() == pytest.approx(snr, rel=0.03)
    assert np.mean((image == 0) | (image == 255)) < 1e-4


def test_a_slow_detector_makes_neighbours_on_the_scan_line_alike() -> None:
    signal = signal_of(particles(256).frame(), 5)
    sigma = np.full_like(signal, 5.0)
    noise = exposed(np.random.default_rng(0), signal, sigma, Exposure(noise="along x")) - signal
    assert np.mean(noise[:, 1:] * noise[:, :-1]) / noise.var() == pytest.approx(0.3, abs=0.03)
    assert np.mean(noise[1:] * noise[:-1]) / noise.var() == pytest.approx(0, abs=0.03)
    assert noise.std() == pytest.approx(5.0, rel=0.03)


def test_the_bound_halves_when_the_noise_does() -> None:
    signal = signal_of(grains(256).frame(), 5)
    x, y = shift_bound(signal, noise_sigma(signal, 5))
    quieter_x, quieter_y = shift_bound(signal, noise_sigma(signal, 20))
    assert quieter_x == pytest.approx(x / 2)
    assert quieter_y == pytest.approx(y / 2)


def test_the_bound_of_a_wave_is_the_textbook_one() -> None:
    amplitude, sigma, period, size = 50.0, 10.0, 16, 256
    y, x = np.mgrid[:size, :size] * (2 * np.pi / period)
    bound_x, _ = shift_bound(100 + amplitude * (np.sin(x) + np.sin(y)), np.full((size, size), sigma))
    slope = amplitude * 2 * np.pi / period
    assert bound_x == pytest.approx(sigma * np.sqrt(2) / (slope / np.sqrt(2) * size), rel=0.05)


def miss(error_px: tuple[float, float] | None) -> Miss:
    return Miss(
        scene="grains", snr=5, method="m", error_px=error_px, sigma_px=(0.01, 0.02), bound_px=(0.003, 0.004)
    )


def test_what_is_wrong_refused_and_inexact_is_told_apart() -> None:
    (row,) = registration_rows([miss((0.03, 0.04)), miss((-0.03, 0.04)), miss((5.0, 0.0)), miss(None)])
    assert (row["trials"], row["wrong"], row["wrong_and_sure"], row["refused"]) == (4, 1, 1, 1)
    assert row["rms_px"] == pytest.approx(0.05)
    assert row["bound_px"] == pytest.approx(0.005)


def test_a_bias_is_the_mean_over_draws_and_the_worst_over_cells() -> None:
    cells = [
        SnrMiss(scene="grains", psf_px=1, snr=snr, noise="white", estimator="e", errors=errors)
        for snr, errors in ((1, (0.01, -0.01)), (5, (-0.03, -0.05)))
    ]
    (row,) = snr_rows(cells, 1024)
    assert (row["bias_mean"], row["bias_worst"]) == (pytest.approx(0.02), pytest.approx(0.04))
    assert [at["least"] for at in row["by_snr"]] == [pytest.approx(0), pytest.approx(-0.04)]
