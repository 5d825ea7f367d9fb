"""Whatever an upstream answers and whenever the supervisor does: questions stay apart, each wait
has an end, and nothing waits without a question under way.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.data_plane.token_refusals import ASK_EVERY_S, WAIT_S, TokenRefusals
from tests.property.effort import effort

_STEPS = st.lists(
    st.tuples(st.floats(0, 2 * ASK_EVERY_S), st.sampled_from(["refused", "answered", "look"])),
    max_size=60,
)


@effort(200)
@given(_STEPS)
def test_questions_stay_apart_and_waits_end(steps: list[tuple[float, str]]) -> None:
    refusals = TokenRefusals()
    now = 1000.0
    asked: list[float] = []
    answered = True
    for pause, step in steps:
        now += pause
        if step == "refused" and refusals.refused(now):
            assert not asked or now - asked[-1] >= ASK_EVERY_S
            asked.append(now)
            answered = False
        elif step == "answered":
            refusals.answered()
            answered = True
        until = refusals.waits_until(now)
        if until:
            assert not answered
            assert now < until == asked[-1] + WAIT_S
        else:
            assert answered or now >= asked[-1] + WAIT_S
