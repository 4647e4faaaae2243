import numpy as np
import pytest

from semwatchd.synth.beam import Scan
from semwatchd.synth.visits import REFERENCE, hole_target, visit

TARGET = hole_target(7, pixel_size_nm=2.0, settings=Scan(rows=192, columns=256, dose=200.0))


def correlation_peak(first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    """(dx, dy) of the whole-pixel cross-correlation peak."""
    spectra = [np.fft.rfft2(frame - frame.mean()) for frame in (first, second)]
    peak = np.fft.irfft2(spectra[1] * spectra[0].conj(), s=first.shape)
    row, column = np.unravel_index(peak.argmax(), peak.shape)
    return (
        int((column + first.shape[1] // 2) % first.shape[1] - first.shape[1] // 2),
        int((row + first.shape[0] // 2) % first.shape[0] - first.shape[0] // 2),
    )


def test_each_visit_is_displaced_as_it_says_and_noisy_in_its_own_way() -> None:
    reference = visit(TARGET, REFERENCE)
    assert (reference.dx_px, reference.dy_px) == (0.0, 0.0)
    visits = [visit(TARGET, number) for number in range(6)]
    assert len({v.pixels.tobytes() for v in visits}) == 6
    for seen in visits:
        dx, dy = correlation_peak(reference.pixels.astype(float), seen.pixels.astype(float))
        assert dx == pytest.approx(seen.dx_px, abs=0.75)
        assert dy == pytest.approx(seen.dy_px, abs=0.75)


def test_a_visit_depends_on_seed_and_number_alone() -> None:
    again = hole_target(7, pixel_size_nm=2.0, settings=TARGET.settings)
    assert np.array_equal(visit(again, 3).pixels, visit(TARGET, 3).pixels)


def test_even_the_furthest_shift_stays_inside_the_scene() -> None:
    for number in range(40):
        seen = visit(TARGET, number)
        assert max(abs(seen.dx_px), abs(seen.dy_px)) <= TARGET.reach_px
