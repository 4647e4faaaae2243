import sys
from itertools import groupby

import pytest

from semwatchd.offline.bench.peers import REMEDY, PeerMissingError, missing, peer
from semwatchd.offline.bench.timing import Timing, in_turns, ratio


def test_a_library_that_is_missing_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    monkeypatch.delitem(sys.modules, "skimage.registration", raising=False)
    with pytest.raises(PeerMissingError, match=r"skimage.* is not installed") as raised:
        peer("skimage.registration")
    assert REMEDY in str(raised.value)
    assert len(missing("json", "skimage.registration")) == 1


def test_everything_takes_its_turn_in_every_round() -> None:
    order: list[str] = []

    def task(name: str) -> None:
        order.append(name)
        sum(range(100_000))

    timings = in_turns({"a": lambda _: task("a"), "b": lambda _: task("b")}, rounds=3)
    assert [name for name, _ in groupby(order)][-4:] == ["a", "b", "a", "b"]
    assert all(len(timing.cpu_ms) == 3 and timing.median_ms for timing in timings.values())


def test_what_is_short_is_repeated_and_told_how_often_before() -> None:
    numbers: list[int] = []
    in_turns({"ours": numbers.append}, rounds=2)
    repeats = (len(numbers) - 2) // 2  # once to see whether it can, once to see how long it takes
    assert repeats > 1
    assert numbers[2:] == list(range(2 * repeats))


def test_what_others_cannot_do_is_a_note_and_no_figure() -> None:
    def fails(_: int) -> None:
        raise ValueError("cannot read\nthis at all")

    timings = in_turns({"ours": lambda _: None, "theirs": fails}, rounds=1)
    assert (timings["theirs"].note, timings["theirs"].median_ms) == ("cannot read", None)
    assert ratio(timings["theirs"], timings["ours"]) is None


def test_our_own_failure_is_one() -> None:
    with pytest.raises(ZeroDivisionError):
        in_turns({"ours": lambda _: 1 / 0}, rounds=1)


def test_a_ratio_is_the_median_over_the_rounds() -> None:
    ours, theirs = Timing(cpu_ms=(1.0, 2.0, 10.0)), Timing(cpu_ms=(3.0, 8.0, 10.0))
    assert ratio(theirs, ours) == 3.0
