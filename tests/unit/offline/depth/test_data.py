from pathlib import Path

import pytest
import torch

from semwatchd.core.errors import EnvironmentFault
from semwatchd.offline.dataset import DatasetSpec, ForeignDatasetError, claim_folder
from semwatchd.offline.depth.data import Feed, Frames, load, mean_shot, split
from semwatchd.offline.depth.orders import Shots, WrongOrderError
from tests.depth_data import make_data


def numbered(scenes: int = 40, shots: int = 4) -> Frames:
    """Every pixel of a frame is its scene's number; its depth is 100 more."""
    number = torch.arange(scenes, dtype=torch.uint8)
    return Frames(
        sem=number.view(-1, 1, 1, 1).repeat(1, shots, 6, 5),
        depth=(number + 100).view(-1, 1, 1).repeat(1, 6, 5),
        level=number.float(),
    )


def test_what_is_read_is_what_was_made(tmp_path: Path) -> None:
    folders = [make_data(tmp_path / str(seed), 12, seed=seed) for seed in (1, 2)]
    one, both = load(folders[:1]), load(folders)
    assert both.frames.sem.shape == (24, 4, 24, 20)
    assert both.frames.sem.dtype == both.frames.depth.dtype == torch.uint8
    assert torch.equal(both.frames.depth[:12], one.frames.depth)
    assert both.frames.depth.float().amax((1, 2)) == pytest.approx(both.frames.level, abs=0.5)
    assert one.sha256 != both.sha256
    assert load(folders[:1]).sha256 == one.sha256


def test_no_scene_is_on_both_sides() -> None:
    train, test = split(numbered())
    assert (len(train), len(test)) == (36, 4)
    assert not set(train.sem.flatten().tolist()) & set(test.sem.flatten().tolist())


def test_an_epoch_shows_every_scene_once_and_each_differently_ordered() -> None:
    feed = Feed(numbered(), Shots.ANY, batch=10, seed=1)
    epochs = [
        [feed(step)[0][:, 0, 0, 0].round().tolist() for step in range(4 * e, 4 * e + 4)] for e in range(2)
    ]
    for epoch in epochs:
        assert sorted(number for step in epoch for number in step) == list(range(40))
    assert epochs[0] != epochs[1]


def test_half_of_the_scenes_are_shown_out_of_focus_at_their_own_depth() -> None:
    frames = Frames(
        sem=torch.randint(60, 90, (16, 4, 24, 20), dtype=torch.uint8),
        depth=torch.arange(16, dtype=torch.uint8).view(-1, 1, 1).repeat(1, 24, 20),
        level=torch.arange(16.0),
    )
    sharp, blurred = (Feed(frames, Shots.ANY, 16, 3, defocus_px) for defocus_px in (0.0, 1.5))
    pairs = [(sharp(step), blurred(step)) for step in range(20)]
    changed = [
        not torch.allclose(a, b, atol=0.01) for (x, _), (y, _) in pairs for a, b in zip(x, y, strict=True)
    ]
    assert 0.4 < sum(changed) / len(changed) < 0.6
    assert all(torch.equal(depth, same) for (_, depth), (_, same) in pairs)


def test_two_frames_of_a_scene_are_too_few_to_defocus_it() -> None:
    with pytest.raises(WrongOrderError, match=r"needs 3 frames.*these have 2.*--shots"):
        Feed(numbered(shots=2), Shots.ANY, 8, 1, defocus_px=1.0)


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    frames = numbered()
    again = Feed(frames, Shots.ONE, batch=8, seed=3)
    again(0)
    grey, depth = again(7)
    other_grey, _ = Feed(frames, Shots.ONE, batch=8, seed=3)(7)
    assert torch.equal(grey, other_grey)
    assert torch.equal(grey + 100, depth)
    assert not torch.equal(grey, Feed(frames, Shots.ONE, batch=8, seed=4)(7)[0])


@pytest.mark.parametrize(
    ("shots", "greys"), [(Shots.ONE, {0, 60, 120, 180}), (Shots.ANY, {90, 30, 150, 120})]
)
def test_frames_are_averaged_as_asked(shots: Shots, greys: set[int]) -> None:
    frames = numbered(scenes=200)
    levels = torch.tensor([0, 60, 120, 180], dtype=torch.uint8).view(1, 4, 1, 1)
    same = Frames(sem=levels.expand_as(frames.sem), depth=frames.depth, level=frames.level)
    seen = {round(value) for value in Feed(same, shots, batch=200, seed=1)(0)[0][:, 0, 0, 0].tolist()}
    assert greys <= seen
    assert (seen == greys) is (shots is Shots.ONE)


def test_flips_take_the_depth_with_them() -> None:
    frames = numbered()
    ramp = torch.arange(6, dtype=torch.uint8).view(1, 6, 1).expand(40, 6, 5)
    tilted = Frames(sem=ramp[:, None].expand(-1, 4, -1, -1), depth=ramp, level=frames.level)
    directions = set()
    for step in range(8):
        grey, depth = Feed(tilted, Shots.ONE, batch=4, seed=1)(step)
        assert torch.equal(grey, depth)
        directions.add(bool(grey[0, 0, 0, 0] > 0))
    assert directions == {True, False}


def test_pairs_are_two_frames_of_the_same_scene() -> None:
    frames = numbered()
    shot = torch.tensor([0, 50, 100, 150], dtype=torch.uint8).view(1, 4, 1, 1)
    marked = Frames(sem=frames.sem + shot, depth=frames.depth, level=frames.level)
    first, second = Feed(marked, Shots.ONE, batch=16, seed=1).pairs(0)
    assert ((first - second) % 50 == 0).all()
    assert (first != second).all()


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(WrongOrderError, match="batch of 64"):
        Feed(numbered(), Shots.ONE, batch=64, seed=1)


def test_the_mean_of_the_first_shots() -> None:
    frames = numbered()
    assert mean_shot(frames, 2).shape == (40, 1, 6, 5)
    assert set(mean_shot(frames, 2)[7].flatten().tolist()) == {7}


def test_unusable_data_is_named(tmp_path: Path) -> None:
    good = make_data(tmp_path / "good", 4)
    wide = make_data(tmp_path / "wide", 4, size=(24, 24))
    with pytest.raises(WrongOrderError, match="--size"):
        load([good, wide])
    with pytest.raises(ForeignDatasetError, match="semwatchd synth"):
        load([str(tmp_path / "nowhere")])
    shard = next(Path(good).glob("shard-*"))
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(EnvironmentFault, match=shard.name):
        load([good])
    shard.unlink()
    with pytest.raises(EnvironmentFault, match=shard.name):
        load([good])


def test_tiffs_are_no_training_data(tmp_path: Path) -> None:
    facts = {"track": "a", "count": 1, "rows": 24, "columns": 20, "shots": 1, "seed": 1, "defect_share": 0.0}
    claim_folder(tmp_path, DatasetSpec(**facts, format="tiff"))  # type: ignore[arg-type]
    with pytest.raises(WrongOrderError, match="holds TIFFs"):
        load([str(tmp_path)])


def test_a_spread_reaches_from_the_first_scene_to_the_last() -> None:
    assert numbered(40).spread(4).level.tolist() == [0.0, 13.0, 26.0, 39.0]
    assert len(numbered(3).spread(10)) == 3
