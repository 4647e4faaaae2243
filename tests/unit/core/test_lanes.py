from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from semwatchd.core.lanes import AGED_S, backfill_share, split_places

COUNTS = st.integers(0, 40)
SMALL = settings(max_examples=100, derandomize=True, database=None, deadline=None)


@SMALL
@given(places=COUNTS, live=COUNTS, backfill=COUNTS, turn=COUNTS)
def test_no_place_stays_empty_and_none_is_given_twice(
    places: int, live: int, backfill: int, turn: int
) -> None:
    share = backfill_share(turn, places, 0.0)
    of_live, of_backfill = split_places(places, live=live, backfill=backfill, share=share)
    assert 0 <= of_live <= live
    assert 0 <= of_backfill <= backfill
    assert of_live + of_backfill == min(places, live + backfill)


def taken(sizes: list[int], waited_s: float) -> tuple[int, int]:
    """Live and backfill jobs taken in claims of these sizes while many of both wait."""
    turn = of_live = of_backfill = 0
    for places in sizes:
        split = split_places(places, live=99, backfill=99, share=backfill_share(turn, places, waited_s))
        of_live, of_backfill = of_live + split[0], of_backfill + split[1]
        turn += places
    return of_live, of_backfill


@SMALL
@given(sizes=st.lists(st.integers(1, 8), min_size=1, max_size=30))
def test_live_gets_four_places_of_five_however_small_the_claims(sizes: list[int]) -> None:
    of_live, of_backfill = taken(sizes, waited_s=60.0)
    assert of_backfill == (of_live + of_backfill) // 5


def test_backfill_that_has_waited_too_long_gets_every_second_place_and_no_more() -> None:
    assert taken([1] * 20, AGED_S + 1) == (10, 10)
    assert taken([8, 8, 4], AGED_S + 1) == (10, 10)
