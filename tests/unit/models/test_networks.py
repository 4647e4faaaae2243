import pytest
import torch

from semwatchd.models.networks import (
    Architecture,
    UnknownArchitectureError,
    build,
    from_network,
    parameter_count,
    to_network,
)
from semwatchd.models.patchgan import PatchGAN


@pytest.mark.parametrize(
    ("name", "thousands"),
    [
        ("pix2pix-2-64", 266),
        ("pix2pix-3-64", 1446),
        ("pix2pix-4-64", 6166),
        ("unet-2-16", 109),
        ("unet-2-32", 436),
    ],
)
@pytest.mark.parametrize("size", [(66, 45), (72, 48), (17, 33)])
def test_any_size_comes_back_and_the_count_is_the_published_one(
    name: str, thousands: int, size: tuple[int, int]
) -> None:
    network = build(Architecture.named(name)).eval()
    assert network(torch.zeros(1, 1, *size)).shape == (1, 1, *size)
    assert round(parameter_count(network) / 1e3) == thousands


@pytest.mark.parametrize(("width", "layers", "thousands"), [(64, 2, 662), (16, 2, 43), (64, 3, 2765)])
def test_the_discriminator_judges_patches(width: int, layers: int, thousands: int) -> None:
    critic = PatchGAN(width, layers)
    verdict = critic(torch.zeros(2, 1, 66, 45), torch.zeros(2, 1, 66, 45))
    assert verdict.shape[:2] == (2, 1)
    assert verdict.shape[2] > 1
    assert round(parameter_count(critic) / 1e3) == thousands


def test_a_frame_too_small_for_the_levels_is_refused() -> None:
    with pytest.raises(ValueError, match="8 x 8 px is too small; it needs 16 px"):
        build(Architecture.named("unet-4-8"))(torch.zeros(1, 1, 8, 8))


def test_padding_does_not_move_the_picture() -> None:
    """What is far from the added rows is the same as without them."""
    network = build(Architecture.named("unet-2-8")).eval()
    frames = torch.rand(1, 1, 96, 96)
    whole, cut = network(frames), network(frames[..., :90, :93])
    assert torch.allclose(whole[..., :60, :60], cut[..., :60, :60], atol=1e-5)


@pytest.mark.parametrize("name", ["unet-2-16", "pix2pix-3-64"])
def test_an_architecture_is_its_name(name: str) -> None:
    assert str(Architecture.named(name)) == name


@pytest.mark.parametrize("name", ["unet", "resnet-2-16", "unet-1-16", "unet-2-0", "unet-2-16; rm"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UnknownArchitectureError, match="unet-2-16"):
        Architecture.named(name)


def test_the_grey_scale_is_fixed() -> None:
    grey = torch.arange(256, dtype=torch.uint8)
    scaled = to_network(grey)
    assert (scaled.min().item(), scaled.max().item()) == (-1, 1)
    assert torch.allclose(from_network(scaled), grey.float(), atol=1e-4)
    assert torch.equal(to_network(grey[100:101]), scaled[100:101])  # whatever else is in the image
