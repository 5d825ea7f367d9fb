"""Whatever happens to an upstream's addresses, requests go to one that is there, and enough are
left in.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.data_plane.balance import BASE_S, MOST_S, Address, Balance
from tests.property.effort import effort

ADDRESSES: list[Address] = [(f"192.0.2.{number}", 443) for number in range(6)]
SETS = st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=6, unique=True)


class Balanced(RuleBasedStateMachine):
    """Any order of choices, failures, successes and changes of the addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.balance = Balance()
        self.now = 1000.0
        self.addresses: list[Address] = []
        self.busy = dict.fromkeys(ADDRESSES, 0)

    @initialize(addresses=SETS)
    def begin(self, addresses: list[Address]) -> None:
        self.change(addresses)

    @rule(addresses=SETS)
    def change(self, addresses: list[Address]) -> None:
        self.addresses = addresses
        self.balance.update(tuple(addresses), ())

    @rule(seconds=st.floats(0.0, MOST_S))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def choose(self) -> None:
        before = self.balance.ejected
        due = {address for address in self.addresses if self.balance.takes(address, self.now)}
        address = self.balance.best(self.busy.__getitem__, self.now)
        assert address in self.addresses
        assert address in due or not due
        if not before.get(address, False):
            usable = [other for other in self.addresses if not before.get(other, False)]
            assert self.busy[address] == min(self.busy[other] for other in usable)
        self.busy[address] += 1

    @rule(address=st.sampled_from(ADDRESSES))
    def release(self, address: Address) -> None:
        self.busy[address] = max(0, self.busy[address] - 1)

    @rule(address=st.sampled_from(ADDRESSES), dialling=st.booleans())
    def fail(self, address: Address, dialling: bool) -> None:
        before = self._out()
        length = self.balance.failed(address, self.now, dialling=dialling)
        assert length == 0 or BASE_S <= length <= MOST_S
        after = self._out()
        if length:
            assert after == before | {address}
            most = len(self.addresses) - 1 if dialling else len(self.addresses) // 2
            assert len(after) <= most
        else:
            assert after <= before

    @rule(address=st.sampled_from(ADDRESSES))
    def succeed(self, address: Address) -> None:
        was_out = address in self._out()
        assert self.balance.succeeded(address) == was_out
        assert address not in self._out()

    @rule()
    def all_return_in_the_end(self) -> None:
        self.now += MOST_S
        tried = {self.balance.best(lambda _: 0, self.now) for _ in self.addresses}
        assert tried == set(self.addresses)

    @invariant()
    def the_order_names_each_once(self) -> None:
        if self.addresses:
            first = self.addresses[0]
            others = self.balance.others(first, self.busy.__getitem__, self.now)
            assert sorted((first, *others)) == sorted(self.addresses)

    def _out(self) -> set[Address]:
        return {address for address, out in self.balance.ejected.items() if out}


TestBalanced = Balanced.TestCase
TestBalanced.settings = effort(60)
