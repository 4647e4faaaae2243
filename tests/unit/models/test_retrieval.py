import torch

from semwatchd.models.retrieval import Retrieval


def test_a_known_image_finds_itself_also_under_noise_and_other_contrast() -> None:
    dice = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 20, 15), dtype=torch.uint8, generator=dice)
    depths = torch.arange(40).view(40, 1, 1).expand(40, 20, 15)
    remember = Retrieval(images, depths)
    assert torch.equal(remember(images), depths)
    seen = 0.8 * images + 25 + 10 * torch.randn(images.shape, generator=dice)
    assert torch.equal(remember(seen), depths)


def test_an_image_without_contrast_gets_an_answer() -> None:
    remember = Retrieval(torch.zeros(2, 4, 4), torch.zeros(2, 4, 4))
    assert torch.equal(remember(torch.full((1, 4, 4), 7.0)), torch.zeros(1, 4, 4))
