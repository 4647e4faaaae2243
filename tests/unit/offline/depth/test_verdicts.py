import pytest

from semwatchd.offline.depth.rows import Claim
from semwatchd.offline.depth.verdicts import judge

CLAIM = Claim("Does it help?", "with", "without")


def runs(with_it: list[float], without: list[float]) -> dict[str, list[dict[str, object]]]:
    return {
        name: [{"scores": {"test": {"rmse": value}}} for value in values]
        for name, values in (("with", with_it), ("without", without))
    }


@pytest.mark.parametrize(
    ("with_it", "answer"),
    [
        ([2.0, 2.1, 1.9], "yes"),
        ([4.0, 4.1, 3.9], "no: it is worse"),
        ([3.0, 3.0, 3.0], "no difference at all"),
        ([2.0, 3.5, 2.4], "not shown"),
        ([2.9, 3.1, 3.2], "not shown"),
    ],
)
def test_an_answer_needs_more_than_luck(with_it: list[float], answer: str) -> None:
    assert judge(CLAIM, runs(with_it, [3.0, 3.0, 3.0])).answer == answer


def test_the_interval_is_students() -> None:
    verdict = judge(CLAIM, runs([2.0, 2.1, 1.9], [3.0, 3.0, 3.0]))
    assert verdict.difference == pytest.approx(-1.0)
    assert verdict.half_width == pytest.approx(4.303 * 0.1 / 3**0.5)


def test_seeds_are_compared_in_pairs() -> None:
    """A seed that is hard for both says nothing against either."""
    assert judge(CLAIM, runs([1.9, 4.9, 8.9], [2.0, 5.0, 9.0])).answer == "yes"
