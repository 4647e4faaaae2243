"""One run: cycles of faults, a time without any, then the judge."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeVar

from semwatchd.offline.stand import StandError
from semwatchd.offline.summary import percentile
from tests.daemon import until
from tests.faults.evidence import gather
from tests.faults.injector import BLOWS, WHILE_DOWN, Scene, may_forbid, weathers
from tests.faults.judge import Verdict, judge
from tests.faults.oracle import Oracle
from tests.faults.stand import ORPHANS_S, Stand, small_disk
from tests.faults.truth import Fate, Truth

SPREAD_S = 2.5  #: over which one cycle's files are written
BLOWS_A_CYCLE = 2
GAP_S = (0.2, 1.6)  #: before each blow
STALL_S = 60.0  #: without faults, something must end at least so often until everything is at rest
LOOK_S = 0.5  #: between two looks at how far it has come
FRESH_S = 5.0  #: within which a new image must reach the receiver
RECOMPUTED = 100  #: results compared with a measurement of their own
#: Sockets of requests under way; five readers of the journal, opened when wanted, two files each.
SPARE_HANDLES = {"socket": 3, "journal": 10}

Say = Callable[[str], None]
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a run."""

    cycles: int
    images: int
    verdict: Verdict
    problems: tuple[str, ...]  #: beside the judge's: processes, files, descriptors, waits
    recovery_s: tuple[float, ...]
    struck: Mapping[str, int]
    skipped: tuple[str, ...]

    @property
    def violations(self) -> tuple[str, ...]:
        return self.verdict.violations + self.problems

    def as_json(self, seed: int) -> str:
        """Put it on one line."""
        return json.dumps(
            {
                "cycles": self.cycles,
                "images": self.images,
                "lost": len(self.verdict.lost),
                "doubled": len(self.verdict.doubled),
                "recovery_p50_s": _rounded(percentile(self.recovery_s, 50)),
                "recovery_p99_s": _rounded(percentile(self.recovery_s, 99)),
                "recoveries": len(self.recovery_s),
                "violations": len(self.violations),
                "blamed": self.verdict.blamed,
                "repeats": self.verdict.repeats,
                "seed": seed,
                "faults": sum(self.struck.values()),
                "kinds": dict(sorted(self.struck.items())),
                "skipped": list(self.skipped),
            }
        )


def run(base: Path, cycles: int, seed: int, say: Say) -> Report:
    """Play ``cycles`` cycles of faults in a folder of our own and judge what is left."""
    with ExitStack() as stack:
        own_disk = stack.enter_context(small_disk(base / "state"))
        stand = Stand(base)
        stack.callback(stand.receiver.close)
        stack.callback(stand.stop)
        report = _Run(stand, seed, own_disk=own_disk, say=say).play(cycles)
        if report.violations:  # the small disk goes, what it held is wanted
            shutil.copytree(stand.site.state_dir, base / "state-kept")
        return report


class _Run:
    def __init__(self, stand: Stand, seed: int, *, own_disk: bool, say: Say) -> None:
        self._stand = stand
        self._seed = seed
        self._say = say
        self._oracle = Oracle(stand.site.watched, stand.site.base / "staging", seed, stand.stored)
        self._weathers, self._skipped = weathers(own_disk=own_disk, may_forbid=may_forbid(stand.site.base))
        self._weather = dealt(self._weathers, random.Random(f"{seed}/weather"))
        self._blow = dealt(BLOWS, random.Random(f"{seed}/blows"))
        self._struck: Counter[str] = Counter()
        self._problems = stand.problems

    def play(self, cycles: int) -> Report:
        self._stand.start()
        for number in range(1, cycles + 1):
            self._cycle(number, cycles)
        self._come_to_rest()
        self._ask_for_a_fresh_one(cycles + 1)
        self._compare_handles()
        self._stand.stop()
        self._look_for_leftovers()
        self._problems += disagreements(self._stand, self._oracle.truths, random.Random(self._seed))
        return Report(
            cycles=cycles,
            images=self._oracle.images,
            verdict=self._judge(),
            problems=tuple(self._problems),
            recovery_s=tuple(recoveries(self._stand)),
            struck=self._struck,
            skipped=self._skipped,
        )

    def _cycle(self, number: int, cycles: int) -> None:
        rng = random.Random(f"{self._seed}/{number}")
        weather, blows = next(self._weather), [next(self._blow) for _ in range(BLOWS_A_CYCLE)]
        self._say(f"cycle {number}/{cycles}: {weather}; {', '.join(blows)}")
        scene = Scene(stand=self._stand, oracle=self._oracle, cycle=number)
        with self._oracle.writing(number, rng, SPREAD_S):
            time.sleep(rng.uniform(*GAP_S))
            with self._weathers[weather](scene):
                for blow in blows:
                    time.sleep(rng.uniform(*GAP_S))
                    self._stand.disturbed.append(time.time())
                    BLOWS[blow](scene, rng)
                time.sleep(rng.uniform(*GAP_S))
        self._struck.update([weather, *blows])
        if not self._stand.alive:
            self._oracle.write_now(number, WHILE_DOWN)
            self._stand.keep_running(measurable=True)

    def _come_to_rest(self) -> None:
        """Wait for as long as images end: how many are left over from the faults is up to the machine."""
        self._say("no more faults: waiting until everything has ended")
        self._stand.disarm()
        try:
            self._stand.ready()
        except StandError as error:
            self._problems.append(str(error))
            return
        ended, since = -1, time.monotonic()
        while not self._at_rest():
            if (now_ended := self._ended()) != ended:
                ended, since = now_ended, time.monotonic()
            if time.monotonic() - since > STALL_S:
                self._problems.append(f"not at rest, and nothing ended for {STALL_S:g} s")
                return
            time.sleep(LOOK_S)

    def _ended(self) -> int:
        """Count endings of any kind."""
        return self._stand.count(
            "select (select count(*) from job where finished_at is not null)"
            " + (select count(*) from outbox where delivered_at is not null)"
            " + (select count(*) from sighting where state <> 'settling')"
        )

    def _at_rest(self) -> bool:
        self._stand.keep_running()
        wanted = sum(truth.fate is not Fate.IGNORED for truth in self._oracle.truths)
        versions = "select count(*) from sighting where state in ('ready', 'superseded')"
        return (
            self._stand.count(versions) >= wanted
            and not self._stand.count("select count(*) from sighting where state = 'settling'")
            and not self._stand.count(
                "select count(*) from job where state not in ('stored','quarantined','duplicate','cancelled')"
            )
            and not self._stand.site.owed()
        )

    def _ask_for_a_fresh_one(self, cycle: int) -> None:
        (fresh,) = self._oracle.write_now(cycle, 1)

        def has_arrived() -> bool:
            return any(arrival.sha256 == fresh.sha256 for arrival in self._stand.receiver.arrivals)

        self._wait(has_arrived, FRESH_S, "a fresh image has reached the receiver")
        self._wait(self._at_rest, FRESH_S, "at rest after the fresh image")

    def _compare_handles(self) -> None:
        """A daemon that has been through faults must hold no more open than a new one."""
        self._problems += [f"{path} is shared memory with a name" for path in self._stand.shared_memory()]
        worn = self._stand.handles()
        self._stand.stop()
        self._stand.start()
        self._stand.ready()
        self._oracle.write_now(0, 1)
        self._wait(self._at_rest, FRESH_S * 2, "at rest after a start")
        new = self._stand.handles()
        self._problems += [
            f"{count} {kind} handles after the faults, {new[kind]} in a new daemon"
            for kind, count in worn.items()
            if count > new[kind] + SPARE_HANDLES.get(kind, 0)
        ]

    def _look_for_leftovers(self) -> None:
        with suppress(AssertionError):  # a process that was killed may take a moment to be gone
            until(lambda: not self._stand.survivors(), ORPHANS_S, "no process of the daemon left")
        self._problems += self._stand.survivors()
        self._problems += [
            f"{path} is left"
            for path in sorted(self._stand.site.state_dir.rglob("*"))
            if path.suffix in {".tmp", ".part", ".port"} or path.name.endswith(("-wal", "-shm"))
        ]
        if not (report := self._stand.site.audit())["balanced"]:
            self._problems.append(f"the audit does not balance: {json.dumps(report)}")

    def _judge(self) -> Verdict:
        stand = self._stand
        return judge(gather(stand.site, self._oracle.truths, stand.receiver.arrivals, stand.drop))

    def _wait(self, is_so: Callable[[], bool], limit_s: float, what: str) -> None:
        try:
            until(is_so, limit_s, what)
        except AssertionError as error:
            self._problems.append(str(error))


def together(reports: Sequence[Report]) -> Report:
    """Put the reports of runs side by side into one."""
    return Report(
        cycles=sum(report.cycles for report in reports),
        images=sum(report.images for report in reports),
        verdict=Verdict(
            lost=_all(report.verdict.lost for report in reports),
            doubled=_all(report.verdict.doubled for report in reports),
            wrong=_all(report.verdict.wrong for report in reports),
            blamed=sum(report.verdict.blamed for report in reports),
            repeats=sum(report.verdict.repeats for report in reports),
        ),
        problems=_all(report.problems for report in reports),
        recovery_s=_all(report.recovery_s for report in reports),
        struck=sum((Counter(report.struck) for report in reports), Counter()),
        skipped=reports[0].skipped,  # the machine is the same
    )


def _all(parts: Iterable[Sequence[_Item]]) -> tuple[_Item, ...]:
    return tuple(chain.from_iterable(parts))


def dealt(names: Iterable[str], chance: random.Random) -> Iterator[str]:
    """Deal names without end, each as often as the others: a shuffled pack after the other."""
    pack = sorted(names)
    while True:
        chance.shuffle(pack)
        yield from pack


def recoveries(stand: Stand) -> Iterator[float]:
    """Seconds from starts that found work ready to the first new result, unless another fault came first."""
    told = [at for (at,) in stand.site.rows("select stored_at from result order by stored_at")]
    stored = [at for at in told if not stand.clock.told_wrong(at)]
    ends = [start.at for start in stand.starts[1:]] + [time.time()]
    for start, end in zip(stand.starts, ends, strict=True):
        first = next((at for at in stored if start.at < at < end), None)
        if start.measurable and first and not any(start.at < at < first for at in stand.disturbed):
            yield first - start.at


def disagreements(stand: Stand, truths: Sequence[Truth], rng: random.Random) -> Iterator[str]:
    """Measure a sample again, offline, and compare every number."""
    stored = dict(
        stand.site.rows("select sha256, measurements from job join result on job.id = result.job_id")
    )
    newest = {truth.path: truth for truth in truths if truth.sha256 in stored}
    paths = rng.sample(sorted(newest), min(RECOMPUTED, len(newest)))
    again = stand.site.command("analyze", "--json", *paths)
    for line in map(json.loads, again.stdout.splitlines()):
        sha256 = line["image"]["sha256"] if line["image"] else None
        if line["measurements"] != json.loads(stored.get(sha256, "null")):
            yield f"{line['path']}: the journal's numbers are not those of a new measurement"
    if len(again.stdout.splitlines()) != len(paths):
        yield f"only some of {len(paths)} images could be measured again: {again.stderr[-500:]}"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
