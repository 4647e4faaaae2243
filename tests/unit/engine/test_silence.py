from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwatchd.engine.silence import ENOUGH, SHORTEST_S, VISIT_S, Rhythm, in_words

FACTOR = 6.0


def worked(
    pauses_s: list[float], images: int = 1, every_s: float = 2.0, start: float = 1_800_000_000.0
) -> Rhythm:
    """Return the rhythm of a tool that sends so many images after each of the pauses."""
    rhythm, at = Rhythm(), start
    for pause_s in [0.0, *pauses_s]:
        at += pause_s
        for number in range(images):
            rhythm.arrived(at + number * every_s)
    return rhythm


def test_nothing_is_said_of_a_tool_that_is_not_known_yet() -> None:
    assert Rhythm().silent_s(0.0) is None
    assert Rhythm().limit_s(FACTOR) is None
    assert worked([600.0] * (ENOUGH - 1)).limit_s(FACTOR) is None
    assert worked([600.0] * ENOUGH).limit_s(FACTOR) == 3600.0


def test_a_tool_that_never_pauses_is_given_half_an_hour() -> None:
    rhythm = Rhythm()
    for second in range(0, 7200, 10):
        rhythm.arrived(float(second))
    assert rhythm.usual_s() == pytest.approx(VISIT_S, abs=10)
    assert rhythm.limit_s(FACTOR) == SHORTEST_S
    assert rhythm.silent_s(7190.0 + SHORTEST_S) == SHORTEST_S


def test_images_that_come_together_are_one_visit() -> None:
    """A tool that exports 200 images at once every hour pauses for an hour, not for two seconds."""
    rhythm = worked([3600.0] * 40, images=200, every_s=0.1)
    assert rhythm.usual_s() == 3600.0
    assert rhythm.limit_s(FACTOR) == 6 * 3600.0


def test_changes_of_lot_are_usual_and_a_weekend_is_not() -> None:
    lots = ([60.0] * 9 + [900.0]) * 20
    assert worked(lots).limit_s(FACTOR) == FACTOR * 900.0
    assert worked([*lots, 62 * 3600.0, *lots]).limit_s(FACTOR) == FACTOR * 900.0


def test_the_nights_of_a_tool_of_the_day_are_usual() -> None:
    days = ([3600.0] * 8 + [16 * 3600.0]) * 10
    assert worked(days).limit_s(FACTOR) == FACTOR * 16 * 3600.0


def test_endless_patience_has_no_limit() -> None:
    assert worked([60.0] * ENOUGH).limit_s(math.inf) is None


def test_old_habits_are_forgotten() -> None:
    assert worked([3600.0] * 1000 + [120.0] * 1000).usual_s() == 120.0


def test_images_a_little_out_of_order_change_nothing() -> None:
    rhythm = worked([600.0] * ENOUGH)
    usual_s, silent_s = rhythm.usual_s(), rhythm.silent_s(1_800_100_000.0)
    rhythm.arrived(1_800_000_000.0)
    assert (rhythm.usual_s(), rhythm.silent_s(1_800_100_000.0)) == (usual_s, silent_s)


def test_after_a_clock_that_was_ahead_silence_begins_at_once_and_learning_goes_on() -> None:
    rhythm = worked([600.0] * ENOUGH)
    now = 1_800_100_000.0
    rhythm.arrived(now + 86_400.0)
    assert rhythm.silent_s(now) == 0.0
    assert rhythm.silent_s(now + 100.0) == 100.0
    rhythm.arrived(now + 600.0)
    assert rhythm.silent_s(now + 600.0) == 0.0
    assert rhythm.usual_s() == 600.0


@given(st.lists(st.floats(0.0, 4e9), max_size=200), st.floats(0.0, 4e9))
@settings(max_examples=100, derandomize=True, deadline=None, database=None)
def test_whatever_the_times_silence_is_never_negative_and_the_limit_never_too_short(
    times: list[float], now: float
) -> None:
    rhythm = Rhythm()
    for at in times:
        rhythm.arrived(at)
    assert (rhythm.silent_s(now) or 0.0) >= 0.0
    assert (rhythm.limit_s(FACTOR) or SHORTEST_S) >= SHORTEST_S


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "less than a minute"),
        (70.0, "1 min"),
        (3600.0, "1 h"),
        (7800.0, "2 h 10 min"),
        (86400.0 * 3 + 7800.0, "3 d 2 h"),
    ],
)
def test_a_span_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
