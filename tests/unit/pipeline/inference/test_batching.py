from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semwatchd.pipeline.inference.batching import Batcher, OutOfMemoryError, SickDeviceError

PIXELS = 12


class Device:
    """Squares numbers; some it cannot stand, more than ``room`` it cannot hold."""

    def __init__(self, bad: set[int] = frozenset(), room: int = 1000) -> None:  # type: ignore[assignment]
        self.bad, self.room, self.well = bad, room, True
        self.batches: list[int] = []
        self.probes = 0

    def run(self, batch: Sequence[int]) -> list[int]:
        self.batches.append(len(batch))
        if len(batch) > self.room:
            raise OutOfMemoryError
        if not self.well or self.bad & set(batch):
            raise RuntimeError("illegal access")
        return [item * item for item in batch]

    def healthy(self) -> bool:
        self.probes += 1
        return self.well

    def batcher(self, most: int = 32) -> Batcher[int, int]:
        return Batcher(self.run, self.healthy, most, room_px=100 * PIXELS)


@given(st.integers(0, 70), st.sets(st.integers(0, 69), max_size=5), st.integers(1, 40), st.integers(1, 40))
def test_one_bad_image_never_condemns_its_neighbours(count: int, bad: set[int], room: int, most: int) -> None:
    answers = Device(bad, room).batcher(most).answers(range(count), PIXELS)
    assert len(answers) == count
    for item, answer in enumerate(answers):
        assert isinstance(answer, RuntimeError) if item in bad else answer == item * item


def test_good_batches_are_run_once_and_no_larger_than_asked() -> None:
    device = Device()
    device.batcher(32).answers(range(70), PIXELS)
    assert device.batches == [32, 32, 6]
    assert device.probes == 0


def test_finding_the_bad_one_takes_two_runs_per_halving() -> None:
    device = Device(bad={5})
    device.batcher(32).answers(range(32), PIXELS)
    assert len(device.batches) == 1 + 2 * 5


def test_short_memory_halves_the_batch_for_good() -> None:
    device = Device(room=9)
    batcher = device.batcher(32)
    assert batcher.answers(range(20), PIXELS) == [item * item for item in range(20)]
    assert device.batches == [20, 10, 5, 5, 5, 5]
    assert (batcher.room_px, batcher.halvings) == (5 * PIXELS, 2)
    assert device.probes == 0  # short memory is no illness


def test_no_room_for_one_is_said() -> None:
    with pytest.raises(OutOfMemoryError):
        Device(room=0).batcher().answers([1, 2], PIXELS)


def test_a_sick_device_condemns_no_image() -> None:
    device = Device()
    device.well = False
    with pytest.raises(SickDeviceError, match="illegal access"):
        device.batcher().answers(range(8), PIXELS)
    assert (device.batches, device.probes) == ([8], 1)


def test_large_items_make_small_batches_but_never_none() -> None:
    device = Device()
    device.batcher(32).answers(range(4), 50 * PIXELS)
    device.batcher(32).answers(range(2), 1000 * PIXELS)
    assert device.batches == [2, 2, 1, 1]
