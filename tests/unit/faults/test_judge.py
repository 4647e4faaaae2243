"""The judge must find what is wrong, or its silence proves nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from random import Random

import pytest

from tests.faults.evidence import Evidence, JobRow, OwedRow
from tests.faults.judge import judge
from tests.faults.receiver import Arrival
from tests.faults.run import dealt
from tests.faults.truth import Fate, Truth

EVENT = "00000000-0000-0000-0000-00000000000{}"


def truth(name: str, sha256: str, fate: Fate = Fate.STORED) -> Truth:
    return Truth(path=name, sha256=sha256, fate=fate, way="direct", cycle=1)


def job(
    number: int, path: str, sha256: str | None, state: str = "stored", blame: str | None = None
) -> JobRow:
    return JobRow(
        id=number, path=path, sha256=sha256, plan_hash="p", state=state, error_class=blame, reason=None
    )


def owed(seq: int, job_id: int, destination: str) -> OwedRow:
    return OwedRow(
        seq=seq,
        event_id=EVENT.format(job_id),
        destination=destination,
        job_id=job_id,
        order_key="SEM01:A",
        state="delivered",
    )


def arrival(job_id: int, sha256: str) -> Arrival:
    return Arrival(event_id=EVENT.format(job_id), sha256=sha256, order_key="SEM01:A")


SOUND = Evidence(
    truths=[
        truth("a", "1"),
        truth("b", "2"),
        truth("b again", "2"),
        truth("broken", "3", Fate.QUARANTINED),
        truth("pipe", "", Fate.IGNORED),
    ],
    jobs=[
        job(1, "a", "1"),
        job(2, "b", "2"),
        job(3, "b again", "2", "duplicate"),
        job(4, "broken", "3", "quarantined", "data"),
    ],
    owed=[owed(1, 1, "mes"), owed(2, 1, "drop"), owed(3, 2, "mes"), owed(4, 2, "drop")],
    results=frozenset({1, 2}),
    ignored=frozenset({"pipe"}),
    arrivals=[arrival(1, "1"), arrival(1, "1"), arrival(2, "2")],
    dropped=[f"x-{EVENT.format(number)}.{ending}" for number in (1, 2) for ending in ("csv", "json")],
)


def test_a_sound_run_is_acquitted_and_its_repeats_counted() -> None:
    verdict = judge(SOUND)
    assert verdict.violations == ()
    assert (verdict.repeats, verdict.blamed) == (1, 0)


def test_an_image_without_any_job_is_lost() -> None:
    (line,) = judge(replace(SOUND, truths=[*SOUND.truths, truth("c", "9")])).lost
    assert line.startswith("c (direct, cycle 1")


def test_a_copy_that_was_never_looked_at_is_lost_though_its_content_is_stored() -> None:
    assert len(judge(replace(SOUND, truths=[*SOUND.truths, truth("c", "1")])).lost) == 1


def test_an_event_that_never_arrived_is_lost() -> None:
    assert len(judge(replace(SOUND, arrivals=SOUND.arrivals[:2])).lost) == 1
    assert len(judge(replace(SOUND, dropped=SOUND.dropped[1:])).lost) == 1


def test_one_content_held_by_two_jobs_is_doubled() -> None:
    twice = [*SOUND.jobs[:2], job(3, "b again", "2"), SOUND.jobs[3]]
    assert judge(replace(SOUND, jobs=twice)).doubled == ("2 is held by jobs 2, 3",)


def test_one_content_told_of_under_two_ids_is_doubled() -> None:
    assert len(judge(replace(SOUND, arrivals=[*SOUND.arrivals, arrival(7, "2")])).doubled) == 1


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (replace(SOUND, results=frozenset({1})), "job 2 is stored without a result"),
        (replace(SOUND, ignored=frozenset()), "pipe .* is not ignored"),
        (replace(SOUND, dropped=[*SOUND.dropped, ".x.json.part"]), r"\.x\.json\.part is left"),
        (replace(SOUND, arrivals=[*SOUND.arrivals, arrival(8, "8")]), "nobody sent it"),
        (replace(SOUND, arrivals=[arrival(2, "2"), arrival(1, "1")]), "arrived after a later one"),
        (replace(SOUND, jobs=[*SOUND.jobs, job(5, "d", None, "queued")]), "job 5 is still queued"),
        (
            replace(SOUND, jobs=[job(1, "a", "1", "quarantined", "data"), *SOUND.jobs[1:]]),
            "a .* is sound, yet quarantined",
        ),
        (replace(SOUND, jobs=[*SOUND.jobs[:3], job(4, "broken", "3")]), "broken .* is no image, yet stored"),
    ],
)
def test_every_other_broken_rule_is_named(broken: Evidence, told: str) -> None:
    assert any(re.search(told, line) for line in judge(broken).wrong)


def test_a_sound_image_on_which_too_many_kills_fell_is_counted() -> None:
    jobs = [job(1, "a", None, "quarantined", "task"), *SOUND.jobs[1:]]
    verdict = judge(replace(SOUND, jobs=jobs, results=frozenset({2}), owed=SOUND.owed[2:]))
    assert (verdict.blamed, verdict.lost) == (1, ())


def test_faults_are_dealt_evenly_and_the_same_for_the_same_seed() -> None:
    names = list(islice(dealt("abc", Random(1)), 9))
    assert [sorted(names[i : i + 3]) for i in (0, 3, 6)] == [["a", "b", "c"]] * 3
    assert names == list(islice(dealt("abc", Random(1)), 9))
