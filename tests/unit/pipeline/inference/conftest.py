from pathlib import Path

import pytest
from torch import nn

from tests.depth_data import a_network, save_a_model


@pytest.fixture
def network() -> nn.Module:
    return a_network()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return save_a_model(tmp_path / "depth.safetensors")
