"""Each scenario runs and finds nothing for a moment; what it would find, it tells."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.soak.__main__ import SCENARIOS
from tests.soak.plan import Plan
from tests.soak.result import Result, table
from tests.soak.watch import Sample, growth

MOMENT = Plan(seconds=2.0, every_s=0.4, streams=100, quiet=True)
MIB = 1 << 20
# Several processes under load, which a busy machine makes slow.
pytestmark = pytest.mark.timeout(90)


@pytest.mark.parametrize("run", SCENARIOS.values(), ids=SCENARIOS)
def test_a_moment_of_each(run: Callable[[Plan], Result]) -> None:
    result = run(MOMENT)
    assert result.problems == []
    assert result.renewals > 1
    assert len(result.samples) > 3
    assert sum(result.counts.values()) > 10
    assert result.name in table([result])


def test_growth_is_what_comes_after_the_warm_up() -> None:
    assert growth([]) == 0
    assert growth([5]) == 0
    assert growth([1, 50, 90, *[100] * 20]) == 0
    assert growth([100, 200, 300] * 20) == 0
    assert growth(list(range(100))) > 40


def samples(*resident: int) -> list[Sample]:
    return [Sample(resident=value, descriptors=8, threads=1) for value in resident]


def test_what_grows_or_is_left_is_a_problem() -> None:
    flat = Result(name="flat", samples=samples(*[30 * MIB] * 20), descriptors=(8, 8))
    flat.judge(most_growth=MIB)
    assert flat.problems == []
    rising = Result(
        name="rising", samples=samples(*[n * MIB for n in range(20)]), descriptors=(8, 11)
    )
    rising.judge(most_growth=MIB)
    assert rising.problems == ["memory grew by 11.0 MiB", "3 descriptors were left open"]


def test_the_table_has_a_row_for_each() -> None:
    one = Result(name="one", seconds=300, renewals=150, samples=samples(30 * MIB))
    one.count("requests", 12_345)
    head, rule, row = table([one]).splitlines()
    assert len(head) == len(rule) == len(row)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "one", "300 s", "150", "12,345 requests", "30.0 MiB", "+0.0 MiB", "0 → 0", "0",
    ]  # fmt: skip
