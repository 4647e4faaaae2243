"""How the places of the line are shared between what the tools make now and what is merely old."""

from __future__ import annotations

BACKFILL_EVERY = 5  #: one place in five is backfill's while live images wait
AGED_EVERY = 2  #: one in two, once backfill has waited too long; never more, or live images would wait for it
AGED_S = 4 * 3600.0  #: how long is too long


def backfill_share(turn: int, places: int, oldest_wait_s: float) -> int:
    """Return how many of the next ``places`` are backfill's, ``turn`` places having been given before."""
    every = AGED_EVERY if oldest_wait_s > AGED_S else BACKFILL_EVERY
    return (turn + places) // every - turn // every


def split_places(places: int, *, live: int, backfill: int, share: int) -> tuple[int, int]:
    """Return how many live and how many backfill jobs to take, of those that wait. No place stays empty."""
    of_backfill = min(backfill, max(share, places - live))
    return min(live, places - of_backfill), of_backfill
