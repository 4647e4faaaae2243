from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from semwatchd.core.errors import EnvironmentFault
from semwatchd.pipeline.inference.batching import OutOfMemoryError
from semwatchd.pipeline.inference.cuda import SIZES, Graphs, next_size
from semwatchd.pipeline.inference.loading import load_depth_model, ways
from semwatchd.pipeline.inference.probe import MOST_DEVIATION_NM, Probe, known_pictures
from semwatchd.pipeline.inference.ways import (
    EXACT,
    ON_CPU,
    ON_CUDA,
    Precision,
    Prepared,
    Timing,
    Way,
    chosen,
    memory_watched,
    runner,
    timed,
)


@pytest.mark.parametrize("way", ON_CPU, ids=lambda way: f"{way.precision}-{way.layout}")
def test_every_way_says_what_the_plain_network_says(network: nn.Module, way: Way) -> None:
    limit_nm = MOST_DEVIATION_NM if way.precision is Precision.BF16 else 1e-3
    assert Probe.of(network).deviation_nm(runner(network, way)) < limit_nm


def test_the_fastest_that_is_exact_enough_is_chosen() -> None:
    slow = Timing(way=EXACT, ms_per_image=3.0, deviation_nm=0.0)
    fast, wrong = replace(slow, ms_per_image=1.0), replace(slow, ms_per_image=0.1, deviation_nm=5.0)
    broken = replace(wrong, deviation_nm=float("nan"))
    assert chosen([slow, fast, wrong, broken], MOST_DEVIATION_NM) == fast
    assert chosen([wrong, broken], MOST_DEVIATION_NM) is None


def test_timing_takes_the_best_round_and_not_the_first() -> None:
    ticks = iter([0.0, 3.0, 10.0, 11.0, 20.0, 25.0])
    grey = np.zeros((4, 16, 16), np.uint8)
    assert timed(lambda frames: frames.astype(np.float32), grey, lambda: next(ticks)) == 250.0


def test_what_was_found_out_is_kept(weights: Path) -> None:
    loaded = load_depth_model(weights, "cpu")
    assert {timing.way for timing in loaded.timings} == set(ON_CPU)
    assert loaded.timing == min(loaded.timings, key=lambda timing: timing.ms_per_image)
    assert loaded.manifest.architecture == "unet-2-8"
    (depth,) = loaded.model.depths([known_pictures()[0]])
    assert isinstance(depth, np.ndarray)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
def test_cuda_that_is_not_there_is_said() -> None:
    with pytest.raises(EnvironmentFault, match="no CUDA device"):
        ways("cuda")
    assert ways("auto") == ON_CPU


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"),
    ],
)
def test_short_memory_has_one_name(error: Exception) -> None:
    with pytest.raises(OutOfMemoryError), memory_watched():
        raise error


def test_torch_itself_says_so_when_memory_is_short() -> None:
    with pytest.raises(OutOfMemoryError), memory_watched():
        torch.empty(1 << 60, dtype=torch.uint8)


def test_other_trouble_keeps_its_name() -> None:
    with pytest.raises(RuntimeError, match="illegal"), memory_watched():
        raise RuntimeError("illegal memory access")


def test_the_known_pictures_never_change() -> None:
    grey = known_pictures()
    assert grey.shape == (8, 72, 48)
    assert int(grey.astype(np.int64).sum()) == 3_978_336


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 8), (8, 8), (33, 64), (256, 256)])
def test_a_batch_is_padded_to_the_next_size(count: int, size: int) -> None:
    assert next_size(count) == size


def test_a_batch_beyond_the_largest_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 256"):
        next_size(SIZES[-1] + 1)


@pytest.mark.gpu
@pytest.mark.parametrize("way", ON_CUDA, ids=lambda way: f"{way.precision}-{way.layout}")
def test_every_way_on_the_gpu_says_what_the_plain_network_says(network: nn.Module, way: Way) -> None:
    limit_nm = 0.3 if way.precision is Precision.FP32 else MOST_DEVIATION_NM  # fp32 may be TF32
    assert Probe.of(network).deviation_nm(runner(network, way)) < limit_nm


@pytest.mark.gpu
def test_graphs_answer_batches_of_any_size_and_leave_no_trace_of_the_last(network: nn.Module) -> None:
    graphs = Graphs(Prepared(network, ON_CUDA[1]))
    rng = np.random.default_rng(0)
    exact = runner(network, EXACT)
    for count in (64, 3, 9, 1, 33):
        grey = rng.integers(0, 256, (count, 72, 48), np.uint8)
        np.testing.assert_allclose(graphs(grey), exact(grey), atol=4 * MOST_DEVIATION_NM)
