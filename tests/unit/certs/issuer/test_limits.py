"""How often the issuer may be asked, by whom."""

from __future__ import annotations

import pytest

from certs.issuer.limits import Limits, Rates
from certs.issuer.refusal import Code, Refused


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize("kind", ["address", "instance", "token"])
def test_each_kind_is_held_to_its_own_rate(kind: str) -> None:
    clock = Clock()
    limits = Limits(Rates(address=1, instance=1, token=1), monotonic_s=clock)
    take = getattr(limits, kind)
    for _ in range(10):
        take("one")
    with pytest.raises(Refused, match="too many requests") as caught:
        take("one")
    assert (caught.value.code, caught.value.retry_after_s) == (Code.RATE_LIMITED, 1.0)
    take("another")
    clock.now_s += 1
    take("one")


def test_one_kind_doesnt_use_up_another() -> None:
    limits = Limits(Rates(address=1, instance=1, token=1), monotonic_s=Clock())
    for _ in range(10):
        limits.address("x")
    limits.instance("x")
    limits.token("x")


@pytest.mark.parametrize(
    ("first", "then", "is_one"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::7", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
    ],
)
def test_all_addresses_of_one_ipv6_network_are_one_stranger(
    first: str, then: str, is_one: bool
) -> None:
    limits = Limits(Rates(address=1), monotonic_s=Clock())
    for _ in range(10):
        limits.address(first)
    if is_one:
        with pytest.raises(Refused):
            limits.address(then)
    else:
        limits.address(then)
