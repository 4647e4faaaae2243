import numpy as np
import pytest

from semwatchd.synth.edges import Roughness, rough_contours, rough_edges


@pytest.mark.parametrize("hurst", [0.4, 0.9])
def test_rough_edges_have_the_asked_spread_and_correlation_length(hurst: float) -> None:
    roughness = Roughness(sigma_nm=1.4, xi_nm=20, hurst=hurst)
    edges = rough_edges(np.random.default_rng(5), 400, 1024, 1.0, roughness)
    assert edges.std() == pytest.approx(1.4, rel=0.05)
    lag_20 = np.mean(edges[:, :-20] * edges[:, 20:]) / edges.var()
    far = np.mean(edges[:, :-200] * edges[:, 200:]) / edges.var()
    assert 0.2 < lag_20 < 0.6  # about 1/e at the correlation length
    assert abs(far) < 0.1


def test_a_contour_closes_without_a_step() -> None:
    contours = rough_contours(np.random.default_rng(6), 200, 256, 25, Roughness(sigma_nm=1.0))
    assert contours.std() == pytest.approx(1.0, rel=0.1)
    steps = np.diff(contours, axis=1)
    closing = contours[:, 0] - contours[:, -1]
    assert closing.std() == pytest.approx(steps.std(), rel=0.2)
