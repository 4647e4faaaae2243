from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from semwatchd.models.networks import Architecture, build, from_network, to_network
from semwatchd.pipeline.inference.batching import OutOfMemoryError, SickDeviceError
from semwatchd.pipeline.inference.model import DepthModel
from semwatchd.pipeline.inference.probe import Probe
from semwatchd.pipeline.inference.ways import EXACT, Run, runner

if TYPE_CHECKING:
    from semwatchd.core.image import Pixels

Grey = NDArray[np.uint8]
FULL_SCALE_NM = 255.0


def noise(rows: int, columns: int, seed: int = 0) -> Grey:
    return np.random.default_rng(seed).integers(0, 256, (rows, columns), np.uint8)


def model_of(network: nn.Module, **limits: int) -> DepthModel:
    return DepthModel(runner(network, EXACT), Probe.of(network), step=4, **limits)


def plainly(network: nn.Module, grey: NDArray[Any]) -> NDArray[np.float32]:
    with torch.inference_mode():
        return from_network(network(to_network(torch.from_numpy(grey))[None, None]))[0, 0].numpy()


def depth_of(model: DepthModel, grey: Pixels) -> NDArray[np.float32]:
    (depth,) = model.depths([grey])
    assert isinstance(depth, np.ndarray)
    return depth


@pytest.fixture
def model(network: nn.Module) -> DepthModel:
    return model_of(network)


@pytest.mark.parametrize("size", [(72, 48), (66, 45), (17, 130)])
def test_the_depth_is_that_of_the_plain_network(
    network: nn.Module, model: DepthModel, size: tuple[int, int]
) -> None:
    grey = noise(*size)
    depth = depth_of(model, grey)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, plainly(network, grey), atol=1e-3)


def test_pictures_of_all_sizes_and_types_are_answered_in_their_order(model: DepthModel) -> None:
    pictures: list[Pixels] = [noise(72, 48, 1), noise(40, 40, 2), noise(72, 48, 4)]
    pictures.insert(2, noise(72, 48, 3).astype(np.float32))
    together = model.depths(pictures)
    for picture, depth in zip(pictures, together, strict=True):
        assert isinstance(depth, np.ndarray)
        np.testing.assert_allclose(depth, depth_of(model, picture), atol=1e-3)


def test_sixteen_bits_are_scaled_by_the_bit_depth_and_not_by_the_brightest_pixel(model: DepthModel) -> None:
    grey = noise(72, 48) // 3  # no pixel is near the top of the scale
    sixteen = depth_of(model, grey.astype(np.uint16) * 257)
    np.testing.assert_allclose(sixteen, depth_of(model, grey), atol=1e-3)


@pytest.mark.parametrize("name", ["unet-2-16", "unet-3-8", "pix2pix-2-32", "pix2pix-3-16"])
@pytest.mark.parametrize("size", [(600, 530), (1023, 331)])
def test_tiles_give_what_the_whole_picture_gives(name: str, size: tuple[int, int]) -> None:
    torch.manual_seed(1)
    network = build(Architecture.named(name))
    for _ in range(3):
        network(torch.randn(4, 1, 32, 32))
    network.eval()
    grey, step = noise(*size), 2 ** Architecture.named(name).levels
    probe, run = Probe.of(network), runner(network, EXACT)
    whole = depth_of(DepthModel(run, probe, step), grey)
    tiled = depth_of(DepthModel(run, probe, step, room_px=200_000), grey)
    limit_nm = min(1e-5 * FULL_SCALE_NM, 1e-4 * float(whole.std()))  # half the halo gives ten times as much
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=limit_nm)


def bad_at(run: Run, level: int) -> Run:
    """Fails on any batch with a picture that begins with this grey level."""

    def failing(grey: NDArray[Any]) -> NDArray[np.float32]:
        if (grey[:, 0, 0] == level).any():
            raise RuntimeError("illegal instruction")
        return run(grey)

    return failing


def marked(level: int, seed: int) -> Grey:
    grey = noise(40, 40, seed)
    grey[0, 0] = level
    return grey


def test_a_picture_that_breaks_the_batch_costs_only_itself(network: nn.Module) -> None:
    run = bad_at(runner(network, EXACT), level=7)
    model = DepthModel(run, Probe.of(network), step=4)
    pictures = [marked(7 if number == 3 else 8, number) for number in range(6)]
    answers = model.depths(pictures)
    assert [isinstance(answer, Exception) for answer in answers] == [number == 3 for number in range(6)]
    assert isinstance(answers[5], np.ndarray)
    np.testing.assert_allclose(answers[5], plainly(network, pictures[5]), atol=1e-3)


@pytest.mark.parametrize(
    "bad",
    [
        np.full((40, 40), np.nan, np.float32),
        np.zeros((40, 40), np.float64),
        np.zeros((4, 40), np.uint8),
        np.zeros((40, 40, 3), np.uint8),
    ],
    ids=["nan", "float64", "too small", "colour"],
)
def test_what_no_network_can_be_shown_is_refused_alone(model: DepthModel, bad: NDArray[Any]) -> None:
    good = noise(40, 40)
    first, refused, last = model.depths([good, bad, good])
    assert isinstance(refused, TypeError | ValueError)
    assert isinstance(first, np.ndarray)
    assert isinstance(last, np.ndarray)
    assert np.array_equal(first, last)


def test_an_answer_that_is_not_finite_is_no_depth(network: nn.Module, model: DepthModel) -> None:
    run = runner(network, EXACT)

    def broken_for_seven(grey: NDArray[Any]) -> NDArray[np.float32]:
        depth = run(grey).copy()
        depth[grey[:, 0, 0] == 7] = np.nan
        return depth

    answers = DepthModel(broken_for_seven, Probe.of(network), step=4).depths([marked(7, 1), marked(8, 2)])
    assert isinstance(answers[0], ValueError)
    assert isinstance(answers[1], np.ndarray)


def test_a_device_that_answers_wrongly_is_noticed_when_anything_fails(network: nn.Module) -> None:
    def sick(grey: NDArray[Any]) -> NDArray[np.float32]:
        if len(grey) == 1:
            raise RuntimeError("unspecified launch failure")
        return np.zeros(grey.shape, np.float32)

    with pytest.raises(SickDeviceError, match="unspecified launch failure"):
        DepthModel(sick, Probe.of(network), step=4).depths([noise(40, 40)])


def test_a_device_short_of_memory_gets_smaller_batches(network: nn.Module) -> None:
    run, sizes = runner(network, EXACT), list[int]()

    def small(grey: NDArray[Any]) -> NDArray[np.float32]:
        sizes.append(len(grey))
        if len(grey) > 4:
            raise OutOfMemoryError
        return run(grey)

    model = DepthModel(small, Probe.of(network), step=4)
    assert all(isinstance(answer, np.ndarray) for answer in model.depths([noise(40, 40)] * 12))
    assert sizes == [12, 6, 3, 3, 3, 3]
    assert model.halvings == 2


def test_nothing_is_asked_and_nothing_is_answered(model: DepthModel) -> None:
    assert model.depths([]) == []


def test_a_network_in_training_is_never_run(network: nn.Module) -> None:
    with pytest.raises(AssertionError):
        runner(network.train(), EXACT)


@pytest.mark.parametrize("make", [lambda grey: grey, np.flipud, np.transpose])
def test_no_order_in_memory_matters(
    network: nn.Module, model: DepthModel, make: Callable[[Grey], Grey]
) -> None:
    grey = make(noise(40, 48))
    np.testing.assert_allclose(depth_of(model, grey), plainly(network, np.ascontiguousarray(grey)), atol=1e-3)
