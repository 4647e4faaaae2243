from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from semwatchd.adapters.host import cores_in, cpu_flags, cpu_quota, memory_nodes

V2 = {"proc/self/cgroup": "0::/a/b\n"}
V1 = {"proc/self/cgroup": "5:memory:/m\n4:cpu,cpuacct:/a\n0::/\n"}


def machine(root: Path, files: Mapping[str, str]) -> tuple[Path, Path]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "ascii")
    return root / "proc", root / "sys"


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        (V2, None),
        (V2 | {"sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, None),
        (V2 | {"sys/fs/cgroup/a/b/cpu.max": "150000 100000\n"}, 1.5),
        (
            V2 | {"sys/fs/cgroup/a/b/cpu.max": "400000 100000", "sys/fs/cgroup/a/cpu.max": "200000 100000"},
            2.0,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "300000 100000\n"}, 3.0),
        ({"proc/self/cgroup": "0::/../host/path\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        (
            V1
            | {
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
            },
            2.5,
        ),
        (
            V1
            | {
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
    ],
)
def test_the_tightest_limit_of_the_control_group_counts(
    tmp_path: Path, files: Mapping[str, str], quota: float | None
) -> None:
    assert cpu_quota(*machine(tmp_path, files)) == quota


def test_each_memory_node_has_its_cores(tmp_path: Path) -> None:
    folder = "sys/devices/system/node"
    files = {
        f"{folder}/node0/cpulist": "0-1,4\n",
        f"{folder}/node1/cpulist": "2-3\n",
        f"{folder}/node2/cpulist": "\n",
    }
    _, sys = machine(tmp_path, files)
    assert memory_nodes(sys) == [{0, 1, 4}, {2, 3}, set()]
    assert memory_nodes(tmp_path / "nothing") == []


@pytest.mark.parametrize(
    ("text", "cores"), [("", []), ("0\n", [0]), ("0-3,8", [0, 1, 2, 3, 8]), ("2,5-6\n", [2, 5, 6])]
)
def test_a_list_of_cores(text: str, cores: list[int]) -> None:
    assert list(cores_in(text)) == cores


def test_this_machine_is_understood() -> None:
    quota = cpu_quota()
    assert quota is None or quota > 0
    assert set().union(*memory_nodes()) >= (os.sched_getaffinity(0) if memory_nodes() else set())


def test_the_processors_abilities_are_its_flags(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor : 0\nflags\t\t: fpu avx512_bf16\n\nflags : other\n")
    assert cpu_flags(tmp_path) == {"fpu", "avx512_bf16"}
    assert cpu_flags(tmp_path / "none") == frozenset()
