from __future__ import annotations

from enum import StrEnum

import pytest

from semwatchd.core.job import DeliveryState, JobState, SightingState
from semwatchd.core.moves import DELIVERY_MOVES, JOB_MOVES, SIGHTING_MOVES, Moves

TABLES = [(SIGHTING_MOVES, SightingState), (JOB_MOVES, JobState), (DELIVERY_MOVES, DeliveryState)]


@pytest.mark.parametrize(("moves", "states"), TABLES)
def test_every_state_has_its_moves(moves: Moves, states: type[StrEnum]) -> None:
    assert set(moves.goes) == set(states)
    assert set().union(moves.begins, *moves.goes.values()) <= set(states)


@pytest.mark.parametrize(("moves", "states"), TABLES)
def test_every_state_can_be_reached_and_none_is_a_dead_circle(moves: Moves, states: type[StrEnum]) -> None:
    without_a_command = {DeliveryState.DROPPED}
    assert reachable(moves, moves.begins) == set(states) - without_a_command
    for state in states:
        assert any(not moves.goes[end] for end in reachable(moves, frozenset({state})))


def reachable(moves: Moves, start: frozenset[StrEnum]) -> set[StrEnum]:
    found: set[StrEnum] = set()
    ahead = set(start)
    while ahead:
        found |= ahead
        ahead = set().union(*(moves.goes[state] for state in ahead)) - found
    return found


def test_staying_is_no_move() -> None:
    assert all(JOB_MOVES.allows(state, state) for state in JobState)
    assert not JOB_MOVES.allows(JobState.STORED, JobState.QUEUED)
