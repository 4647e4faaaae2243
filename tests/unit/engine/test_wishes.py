from __future__ import annotations

from semwatchd.engine.wishes import Wishes


def test_the_first_wish_to_stop_leaves_time_and_every_further_one_does_not() -> None:
    wishes = Wishes()
    assert (wishes.stopping, wishes.hurried) == (False, False)
    seen = []
    for _ in range(3):
        wishes.on_stop()
        seen.append((wishes.stopping, wishes.hurried))
    assert seen == [(True, False), (True, True), (True, True)]


def test_a_part_that_died_is_no_hurry_and_neither_is_the_first_signal_after_it() -> None:
    wishes = Wishes()
    wishes.stop()
    wishes.stop()
    wishes.on_stop()
    assert (wishes.stopping, wishes.hurried) == (True, False)


def test_reloads_asked_for_together_are_one() -> None:
    wishes = Wishes()
    assert not wishes.take_reload()
    wishes.on_reload()
    wishes.on_reload()
    assert wishes.take_reload()
    assert not wishes.take_reload()
    assert not wishes.stopping
