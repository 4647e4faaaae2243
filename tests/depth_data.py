"""Small data sets and networks for the tests of training and of what is trained."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from semwatchd.models.checkpoint import save_model
from semwatchd.models.manifest import Manifest
from semwatchd.models.networks import MIDDLE, Architecture, build
from semwatchd.offline.dataset import DatasetSpec, batches, claim_folder
from semwatchd.offline.scenes import make_batch


def make_data(
    folder: Path, count: int, *, track: str = "a", seed: int = 1, size: tuple[int, int] = (24, 20)
) -> str:
    """Make a data set as the command does, in this process."""
    spec = DatasetSpec(
        track=track,
        count=count,
        rows=size[0],
        columns=size[1],
        shots=4,
        seed=seed,
        defect_share=0.0,
        format="shards",
    )
    claim_folder(folder, spec)
    for batch in batches(spec):
        make_batch(folder, spec, batch)
    return str(folder)


def a_network(name: str = "unet-2-8") -> nn.Module:
    """Random weights whose statistics are not the initial ones, so that nothing is trivially equal."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = build(Architecture.named(name))
    for _ in range(3):
        network(torch.randn(4, 1, 32, 32))
    return network.eval()


def save_a_model(path: Path, domain: Mapping[str, Sequence[float]] | None = None) -> Path:
    """Write such weights with their manifest."""
    manifest = Manifest(
        architecture="unet-2-8",
        shots="any",
        pixel_size_nm=1.5,
        middle=MIDDLE,
        data="0" * 64,
        command="",
        rmse={},
        weights="",
        domain=domain or {},
    )
    save_model(path, a_network(), manifest)
    return path
