import torch

from semwatchd.offline.depth.data import Frames
from semwatchd.offline.depth.domain import SCENES, training_domain
from semwatchd.offline.depth.orders import Shots
from tests.depth_data import a_network


def test_the_domain_is_that_of_all_data_sets_not_of_the_first() -> None:
    scenes = 2 * SCENES
    noise = torch.randint(0, 20, (scenes, 1, 24, 24), generator=torch.Generator().manual_seed(1))
    bright = torch.arange(scenes).view(-1, 1, 1, 1) >= SCENES  # the second set is another tool's
    frames = Frames(
        sem=(noise + 60 + 100 * bright).to(torch.uint8),
        depth=torch.zeros((scenes, 24, 24), dtype=torch.uint8),
        level=torch.zeros(scenes),
    )
    low, high = training_domain(a_network(), 4, frames, Shots.ONE)["level"]
    assert low < 75
    assert high > 165
