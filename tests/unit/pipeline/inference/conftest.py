from pathlib import Path

import pytest
import torch
from torch import nn

from semwatchd.models.checkpoint import Manifest, save_model
from semwatchd.models.networks import MIDDLE, Architecture, build


def a_network(name: str = "unet-2-8") -> nn.Module:
    """Random weights whose statistics are not the initial ones, so that nothing is trivially equal."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = build(Architecture.named(name))
    for _ in range(3):
        network(torch.randn(4, 1, 32, 32))
    return network.eval()


@pytest.fixture
def network() -> nn.Module:
    return a_network()


@pytest.fixture
def weights(tmp_path: Path, network: nn.Module) -> Path:
    path = tmp_path / "depth.safetensors"
    manifest = Manifest(
        architecture="unet-2-8",
        shots="any",
        pixel_size_nm=1.5,
        middle=MIDDLE,
        data="0" * 64,
        command="",
        rmse={},
        weights="",
    )
    save_model(path, network, manifest)
    return path
