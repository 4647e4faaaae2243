import os

from semwatchd.offline.meter import Meter, sample_until


def test_a_process_that_works_is_seen_to_work() -> None:
    meter = Meter("supervisor", os.getpid())
    meter.sample()
    sum(number * number for number in range(2_000_000))
    meter.sample()
    own = meter.usage()[0]
    assert own.role == "supervisor"
    assert 0 < own.spent_s <= own.cpu_s
    assert own.rss_peak_bytes > 1_000_000


def test_sampling_ends_with_the_run_or_at_its_limit() -> None:
    meter = Meter("supervisor", os.getpid())
    assert sample_until([meter], lambda: True, limit_s=0)
    assert not sample_until([meter], lambda: False, limit_s=-1)
