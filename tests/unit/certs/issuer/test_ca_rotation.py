"""The phases, one by one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from certs.issuer import ca_rotation
from certs.issuer.ca_rotation import LEEWAY, InvalidStep, Phase, Retired, Rotation
from tests.fakes.clock import START

HOUR = timedelta(hours=1)


def walked(*phases: Phase, rotation: Rotation | None = None) -> Rotation:
    """The state after these steps, an hour apart, with a certificate issued at each."""
    at = rotation or Rotation(since=START)
    for phase in phases:
        now = at.since + HOUR
        at = ca_rotation.enter(at, phase, now=now, signed_until=now + HOUR)
    return at


def test_each_phase_has_its_signers() -> None:
    seen = []
    rotation = walked()
    for phase in (Phase.INIT, Phase.UPDATE_CLIENTS, Phase.UPDATE_SERVERS, Phase.STANDBY):
        rotation = walked(phase, rotation=rotation)
        seen.append((rotation.workload_signer, rotation.server_signer, rotation.trusted))
    assert seen == [(1, 1, (1, 2)), (2, 1, (1, 2)), (2, 2, (1, 2)), (2, 2, (1, 2))]
    assert rotation.old == 2


def test_the_old_authority_stays_for_what_it_signed_last() -> None:
    rotation = walked(Phase.INIT, Phase.UPDATE_CLIENTS, Phase.UPDATE_SERVERS, Phase.STANDBY)
    # It signed last at the entry of update_clients.
    end = START + 2 * HOUR + HOUR + LEEWAY
    assert rotation.retired == (Retired(number=1, until=max(end, rotation.since + LEEWAY)),)
    assert ca_rotation.without_ended(rotation, rotation.retired[0].until).trusted == (2,)
    before = rotation.retired[0].until - timedelta(seconds=1)
    assert ca_rotation.without_ended(rotation, before) is rotation


@pytest.mark.parametrize(
    ("phases", "new_has_signed"),
    [
        ((Phase.INIT,), False),
        ((Phase.INIT, Phase.UPDATE_CLIENTS), True),
        ((Phase.INIT, Phase.UPDATE_CLIENTS, Phase.UPDATE_SERVERS), True),
    ],
    ids=["init", "clients", "servers"],
)
def test_every_phase_rolls_back(phases: tuple[Phase, ...], new_has_signed: bool) -> None:
    back = walked(*phases, Phase.ROLLBACK)
    assert (back.workload_signer, back.server_signer, back.trusted) == (1, 1, (1, 2))
    settled = walked(Phase.STANDBY, rotation=back)
    assert (settled.old, settled.new, settled.trusted) == (1, None, (1, 2))
    (gone,) = settled.retired
    assert gone.number == 2
    signed_until = back.since + HOUR if new_has_signed else settled.since
    assert gone.until == max(signed_until, settled.since) + LEEWAY
    # The next one gets a number of its own.
    assert walked(Phase.INIT, rotation=settled).new == 3


@pytest.mark.parametrize(
    ("phases", "step", "remedy"),
    [
        ((), Phase.ROLLBACK, "the next phase is init"),
        ((), Phase.UPDATE_CLIENTS, "the next phase is init"),
        ((), Phase.STANDBY, "the next phase is init"),
        ((Phase.INIT,), Phase.STANDBY, "update_clients, or go back with rollback"),
        ((Phase.INIT,), Phase.UPDATE_SERVERS, "update_clients, or go back with rollback"),
        ((Phase.INIT, Phase.ROLLBACK), Phase.INIT, "the next phase is standby"),
        ((Phase.INIT, Phase.ROLLBACK), Phase.ROLLBACK, "the next phase is standby"),
    ],
)
def test_other_steps_are_refused(phases: tuple[Phase, ...], step: Phase, remedy: str) -> None:
    with pytest.raises(InvalidStep) as caught:
        walked(*phases, step)
    assert caught.value.hint.endswith(remedy)


def test_a_grace_period_brings_the_next_phase_and_ends_with_the_rotation() -> None:
    rotation = ca_rotation.with_grace(walked(Phase.INIT), HOUR)
    just_before = rotation.since + HOUR - timedelta(milliseconds=1)
    assert ca_rotation.due(rotation, just_before) is None
    assert ca_rotation.due(rotation, rotation.since + HOUR) is Phase.UPDATE_CLIENTS
    done = walked(Phase.UPDATE_CLIENTS, Phase.UPDATE_SERVERS, Phase.STANDBY, rotation=rotation)
    assert (done.grace, done.next_at) == (None, None)


def test_a_rollback_waits_for_people() -> None:
    back = walked(Phase.ROLLBACK, rotation=ca_rotation.with_grace(walked(Phase.INIT), HOUR))
    assert ca_rotation.due(back, back.since + 100 * HOUR) is None


@pytest.mark.parametrize("grace", [timedelta(0), timedelta(days=31)])
def test_a_grace_period_out_of_range_is_refused(grace: timedelta) -> None:
    with pytest.raises(InvalidStep, match="grace period"):
        ca_rotation.with_grace(walked(), grace)


def test_clients_renew_when_the_signer_changes_or_the_bundle_shrinks() -> None:
    renewing = {phase for phase in Phase if ca_rotation.needs_renewals(phase)}
    assert renewing == {Phase.UPDATE_CLIENTS, Phase.ROLLBACK, Phase.STANDBY}
