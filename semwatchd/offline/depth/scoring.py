"""How good a network is: over the whole set at once, never a mean over batches."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from semwatchd.models.adabn import recompute_statistics
from semwatchd.models.networks import from_network, to_network
from semwatchd.offline.depth.data import Frames, mean_shot
from semwatchd.offline.depth.device import laid_out
from semwatchd.offline.depth.orders import Shots

BATCH = 64
TIMED_IMAGES = 512
FLOOR_SHARE = 0.97  # of a scene's level: deeper pixels are its floor
SMALLEST_POWER = 1e-3  # of a prediction that is nothing but zeros


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Errors in grey levels, which are nm."""

    rmse: float  #: root of the mean square over all pixels of the set
    structure_rmse: float  #: after each prediction has got the gain that fits best
    level_error: float  #: root mean square, over scenes, of the median on the floor against the level


def score(found: Tensor, frames: Frames) -> Score:
    """Compare predictions (scenes, rows, columns) with the truth."""
    truth = frames.depth.to(found.device).float()
    power = found.square().sum((1, 2)).clamp_min(SMALLEST_POWER)
    gain = ((found * truth).sum((1, 2)) / power)[:, None, None]
    floor = truth >= FLOOR_SHARE * frames.level.to(found.device)[:, None, None]
    levels = found.masked_fill(~floor, torch.nan).flatten(1).nanmedian(1).values
    off = levels - frames.level.to(found.device)
    return Score(
        rmse=_root_mean_square(found - truth),
        structure_rmse=_root_mean_square(found * gain - truth),
        level_error=_root_mean_square(off[~off.isnan()]),
    )


@torch.inference_mode()
def predicted(network: nn.Module, grey: Tensor) -> Tensor:
    """Depth in nm (scenes, rows, columns) from grey frames (scenes, 1, rows, columns)."""
    if network.training:
        raise RuntimeError("the network is in training mode: its statistics would follow the images")
    parts = []
    for batch in grey.split(BATCH):  # type: ignore[no-untyped-call]
        frames = laid_out(to_network(batch))
        with torch.autocast(frames.device.type, torch.bfloat16):
            parts.append(from_network(network(frames))[:, 0])
    return torch.cat(parts)


def predicted_from_all(network: nn.Module, frames: Frames, trained_on: Shots) -> Tensor:
    """Depth from all frames of each scene: of their mean, or the mean of what one-frame predictions say."""
    shots = frames.sem.shape[1]
    if trained_on is Shots.ANY:
        return predicted(network, mean_shot(frames, shots))
    return torch.stack([predicted(network, frames.sem[:, k : k + 1].float()) for k in range(shots)]).mean(0)


def score_all(
    network: nn.Module, trained_on: Shots, test: Frames, shift: Frames | None
) -> dict[str, dict[str, float]]:
    """Score on the test scenes by one and by all frames, and on a shifted domain before and after AdaBN.

    The statistics are adapted to the first half of the shifted scenes and scored on the other, which the
    network has never seen.
    """
    found = {
        "test": score(predicted(network, mean_shot(test, 1)), test),
        "test_all_shots": score(predicted_from_all(network, test, trained_on), test),
    }
    if shift is not None:
        half = len(shift) // 2
        unseen, frames = shift.part(slice(half, None)), to_network(mean_shot(shift.part(slice(half)), 1))
        adapted = deepcopy(network)
        recompute_statistics(adapted, frames, seed=0)
        grey = mean_shot(unseen, 1)
        found["shift"] = score(predicted(network, grey), unseen)
        found["shift_adabn"] = score(predicted(adapted, grey), unseen)
    return {name: asdict(one) for name, one in found.items()}


def images_per_s(network: nn.Module, grey: Tensor, clock: Callable[[], float]) -> float:
    """Predictions per second of the clock: CPU time of one thread, or wall time of a GPU."""
    images = grey[:1].expand(TIMED_IMAGES, -1, -1, -1).contiguous()
    predicted(network, images[:BATCH])
    start = clock()
    predicted(network, images).sum().item()  # the sum waits for the GPU
    return TIMED_IMAGES / (clock() - start)


def clock_of(device: torch.device) -> Callable[[], float]:
    """Return the clock that other processes on the machine disturb least."""
    return time.process_time if device.type == "cpu" else time.perf_counter


def _root_mean_square(error: Tensor) -> float:
    return float(error.double().square().mean().sqrt())
