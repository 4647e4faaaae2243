from __future__ import annotations

import os

import pytest

from semwatchd.adapters.probe import stamp_of


@pytest.mark.parametrize("seconds", [-(10**12), 0, 1_800_000_000, 13_569_465_600, 10**12])
@pytest.mark.parametrize("ino", [1, 2**63, 2**64 - 1])
def test_a_stamp_fits_the_journal_whatever_the_file_system_says(seconds: int, ino: int) -> None:
    values = [0o100644, ino, 1, 1, 0, 0, 4096, seconds, seconds, seconds]
    status = os.stat_result(values, {"st_mtime_ns": seconds * 10**9})
    stamp = stamp_of(status)
    assert stamp.size == 4096
    for number in (stamp.mtime_ns, stamp.ino):
        assert -(2**63) <= number < 2**63


def test_versions_of_one_file_stay_apart() -> None:
    def stamp(mtime_ns: int) -> object:
        return stamp_of(os.stat_result([0, 2**63 + 5, 0, 0, 0, 0, 1, 0, 0, 0], {"st_mtime_ns": mtime_ns}))

    assert stamp(1) != stamp(2)
