import pytest
import torch
from torch import nn

from semwatchd.models.folding import folded
from semwatchd.models.networks import Architecture, build


@pytest.mark.parametrize("name", ["unet-2-8", "unet-3-8", "pix2pix-2-16", "pix2pix-4-8"])
def test_a_folded_network_says_the_same_and_the_original_is_as_it_was(name: str) -> None:
    torch.manual_seed(0)
    network = build(Architecture.named(name))
    for _ in range(3):
        network(torch.randn(8, 1, 32, 32) * 2 + 1)  # statistics that are not the initial ones
    network.eval()
    before = {key: values.clone() for key, values in network.state_dict().items()}
    lean, frames = folded(network), torch.randn(2, 1, 40, 36)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in lean.modules())
    with torch.inference_mode():
        assert torch.allclose(lean(frames), network(frames), atol=1e-5)
    assert all(torch.equal(values, before[key]) for key, values in network.state_dict().items())
