from __future__ import annotations

import pytest

from semwatchd.engine.pace import ENOUGH, REMEMBERED, SHORTEST_S, Deadlines, Pace


def after(seconds: float, images: int, longest_s: float = 120.0) -> Pace:
    pace = Pace(longest_s)
    for _ in range(images):
        pace.took(seconds)
    return pace


def test_until_enough_is_known_the_operator_decides() -> None:
    assert after(0.1, ENOUGH - 1).deadline_s == 120.0


def test_the_deadline_is_ten_times_what_all_but_one_in_a_hundred_take() -> None:
    pace = Pace(120.0)
    for number in range(REMEMBERED):
        pace.took(50.0 if number % 200 == 0 else 1.0)
    assert pace.deadline_s == pytest.approx(10.0)


def test_it_is_never_shorter_than_a_pause_of_the_disk_nor_longer_than_the_operator_says() -> None:
    assert after(0.01, 400).deadline_s == SHORTEST_S
    assert after(60.0, 400, longest_s=30.0).deadline_s == 30.0


def test_it_follows_images_that_become_slower() -> None:
    pace = after(0.1, REMEMBERED)
    for _ in range(200):
        pace.took(2.0)
    assert pace.deadline_s == pytest.approx(20.0)


def test_each_stage_has_a_deadline_of_its_own() -> None:
    deadlines = Deadlines(60.0, {"scan": 2.0})
    for _ in range(REMEMBERED):
        deadlines.took({"read": 10.0, "registration": 2000.0, "scan": 1500.0})
    assert deadlines.of("read") == SHORTEST_S
    assert deadlines.of("registration") == pytest.approx(20.0)
    assert deadlines.of("scan") == 2.0, "what the operator says is not learned"
    assert deadlines.of("plan") == 60.0, "what never was timed has the time of the whole image"


def test_an_image_that_was_too_slow_gets_all_the_time_but_where_the_operator_says_otherwise() -> None:
    deadlines = Deadlines(60.0, {"scan": 2.0})
    for _ in range(REMEMBERED):
        deadlines.took({"read": 10.0})
    assert deadlines.patient("read") == 60.0
    assert deadlines.patient("scan") == 2.0
