"""What holds for all tests."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests of the whole system off each other's toes, and skip what needs a GPU where there is none."""
    for item in items:
        if item.get_closest_marker("system"):
            item.add_marker(pytest.mark.xdist_group("system"))  # one after the other, in one process
    # torch is asked only if a test that needs a GPU is about to run
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked and (reason := _no_gpu()):
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=reason))


def _no_gpu() -> str | None:
    import torch  # noqa: PLC0415

    return None if torch.cuda.is_available() else "torch sees no CUDA device on this machine"
