"""Where requests go, and how long a failing address is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from gateway.data_plane.balance import BASE_S, FAILURES, MOST_S, Address, Balance

A: Address = ("192.0.2.1", 443)
B: Address = ("192.0.2.2", 443)
C: Address = ("192.0.2.3", 443)
D: Address = ("192.0.2.4", 443)
V6: Address = ("2001:db8::1", 443)
NOW = 1000.0


def balance_of(*addresses: Address, alternatives: tuple[Address, ...] = ()) -> Balance:
    made = Balance()
    made.update(addresses, alternatives)
    return made


def idle(_address: Address) -> int:
    return 0


def fail(balance: Balance, address: Address, times: int = FAILURES, now: float = NOW) -> float:
    """Failed exchanges in a row; what the last of them led to."""
    return [balance.failed(address, now, dialling=False) for _ in range(times)][-1]


def out(balance: Balance) -> set[Address]:
    return {address for address, is_out in balance.ejected.items() if is_out}


def chosen(balance: Balance, times: int, now: float = NOW) -> Counter[Address]:
    return Counter(balance.best(idle, now) for _ in range(times))


def eject(balance: Balance, addresses: Iterable[Address], now: float = NOW) -> None:
    for address in addresses:
        assert balance.failed(address, now, dialling=True)


def test_equals_take_turns() -> None:
    balance = balance_of(A, B, C)
    assert [balance.best(idle, NOW) for _ in range(6)] == [A, B, C, A, B, C]


def test_the_least_busy_is_taken() -> None:
    balance = balance_of(A, B, C)
    carried = {A: 3, B: 1, C: 2}
    assert [balance.best(carried.__getitem__, NOW) for _ in range(3)] == [B, B, B]


def test_a_row_of_failed_exchanges_ejects() -> None:
    balance = balance_of(A, B, C)
    assert fail(balance, A, FAILURES - 1) == 0
    assert out(balance) == set()
    assert fail(balance, A, 1) == BASE_S
    assert out(balance) == {A}
    assert chosen(balance, 10) == {B: 5, C: 5}


def test_a_success_in_between_begins_a_new_row() -> None:
    balance = balance_of(A, B)
    fail(balance, A, FAILURES - 1)
    assert not balance.succeeded(A)
    assert fail(balance, A, FAILURES - 1) == 0


def test_a_failed_dial_ejects_at_once() -> None:
    balance = balance_of(A, B)
    assert balance.failed(A, NOW, dialling=True) == BASE_S
    assert chosen(balance, 4) == {B: 4}


def test_failed_exchanges_leave_half_of_them_in() -> None:
    balance = balance_of(A, B, C, D)
    assert fail(balance, A)
    assert fail(balance, B)
    assert not fail(balance, C)
    assert out(balance) == {A, B}


def test_failed_dials_leave_the_last_one_in() -> None:
    balance = balance_of(A, B, C)
    eject(balance, (A, B))
    assert balance.failed(C, NOW, dialling=True) == 0
    assert out(balance) == {A, B}


def test_the_only_address_is_never_left_out() -> None:
    balance = balance_of(A)
    assert balance.failed(A, NOW, dialling=True) == 0
    assert fail(balance, A, 100) == 0
    assert balance.ejected == {}
    assert balance.best(idle, NOW) == A


def test_one_that_is_left_alone_is_in_again() -> None:
    balance = balance_of(A, B)
    assert balance.failed(A, NOW, dialling=True)
    balance.update((A,), ())
    assert not balance.succeeded(A), "there was no ejection to end"


def test_one_request_tries_when_the_time_is_over() -> None:
    balance = balance_of(A, B)
    eject(balance, [A])
    assert chosen(balance, 2, NOW + BASE_S - 0.1) == {B: 2}
    assert [balance.best(idle, NOW + BASE_S) for _ in range(3)] == [A, B, B]


def test_a_trial_that_goes_well_ends_the_ejection() -> None:
    balance = balance_of(A, B)
    eject(balance, [A])
    assert balance.best(idle, NOW + BASE_S) == A
    assert balance.succeeded(A)
    assert out(balance) == set()
    assert balance.failed(A, NOW + BASE_S, dialling=True) == BASE_S, "counted from the start again"


def test_each_trial_that_fails_makes_it_longer_up_to_a_bound() -> None:
    balance = balance_of(A, B)
    now, lengths = NOW, [balance.failed(A, NOW, dialling=True)]
    for _ in range(40):
        now += lengths[-1]
        assert balance.best(idle, now) == A
        lengths.append(balance.failed(A, now, dialling=False))
    assert lengths[:4] == [BASE_S, 2 * BASE_S, 3 * BASE_S, 4 * BASE_S]
    assert max(lengths) == lengths[-1] == MOST_S


def test_a_trial_of_which_nothing_is_heard_is_followed_by_another() -> None:
    balance = balance_of(A, B)
    eject(balance, [A])
    now = NOW + BASE_S
    assert [balance.best(idle, now) for _ in range(2)] == [A, B]
    assert [balance.best(idle, now + BASE_S) for _ in range(2)] == [A, B]


def test_failures_that_arrive_after_the_ejection_change_nothing() -> None:
    balance = balance_of(A, B)
    eject(balance, [A])
    assert balance.failed(A, NOW + 1, dialling=True) == 0
    assert balance.best(idle, NOW + BASE_S) == A


def test_when_none_is_in_all_are_used() -> None:
    balance = balance_of(A, B, C)
    eject(balance, (A, B))
    balance.update((A, B), ())
    assert chosen(balance, 4) == {A: 2, B: 2}
    assert balance.succeeded(B)
    assert chosen(balance, 4) == {B: 4}


def test_what_is_known_of_an_address_outlasts_a_change_of_the_others() -> None:
    balance = balance_of(A, B, C)
    eject(balance, [A])
    balance.update((A, D), ())
    assert out(balance) == {A}
    balance.update((B, D), ())
    balance.update((A, B, D), ())
    assert out(balance) == set(), "forgotten with the address"


def test_a_vanished_address_has_no_say() -> None:
    balance = balance_of(A, B)
    assert balance.failed(C, NOW, dialling=True) == 0
    assert not balance.succeeded(C)
    assert not balance.takes(C, NOW)


def test_who_takes_a_request_that_belongs_there() -> None:
    balance = balance_of(A, B)
    eject(balance, [A])
    assert not balance.takes(A, NOW)
    assert balance.takes(A, NOW + BASE_S)
    assert balance.takes(B, NOW)


def test_the_order_when_the_first_can_not_be_reached() -> None:
    balance = balance_of(A, B, C, D, alternatives=(V6,))
    eject(balance, [C])
    carried = {A: 0, B: 5, C: 0, D: 1, V6: 0}
    assert balance.others(A, carried.__getitem__, NOW) == [D, B, V6, C]


# -- two families of one name ----------------------------------------------------------------------


def test_requests_are_not_spread_over_the_families_of_a_name() -> None:
    balance = balance_of(V6, alternatives=(A,))
    assert not balance.spreads
    assert chosen(balance, 4) == {V6: 4}
    assert balance.ejected == {}


def test_the_family_that_was_reached_is_kept_to() -> None:
    balance = balance_of(V6, alternatives=(A, B))
    balance.reached(A)
    assert balance.spreads
    assert chosen(balance, 4) == {A: 2, B: 2}
    balance.update((V6,), (A, B))
    assert chosen(balance, 4) == {A: 2, B: 2}
    balance.reached(V6)
    assert chosen(balance, 4) == {V6: 4}


def test_with_the_other_family_gone_the_first_is_used_again() -> None:
    balance = balance_of(V6, alternatives=(A,))
    balance.reached(A)
    balance.update((V6,), ())
    assert balance.best(idle, NOW) == V6
    balance.update((V6,), (A,))
    assert balance.best(idle, NOW) == V6


@pytest.mark.parametrize("address", [V6, A])
def test_the_last_of_a_family_is_never_left_out(address: Address) -> None:
    balance = balance_of(V6, alternatives=(A,))
    assert balance.failed(address, NOW, dialling=True) == 0
    assert balance.others(V6, idle, NOW) == [A]
