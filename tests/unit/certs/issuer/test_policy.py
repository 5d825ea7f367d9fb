"""Names and lifetimes that the issuer grants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from certs import keys
from certs.csr import SigningRequest
from certs.issuer import policy
from certs.issuer.policy import InvalidPolicy
from certs.issuer.refusal import Code, Refused
from certs.profiles import LeafNames

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ID = "spiffe://acme.example/agent/planner"
NAMES = LeafNames(spiffe_id=ID, dns_names=("a.example", "b.example"))


def bind(**wish: object) -> policy.Binding:
    defaults: dict[str, object] = {
        "trust_domain": "acme.example",
        "workload": "planner",
        "path": None,
        "dns_names": (),
        "max_life": timedelta(hours=1),
    }
    return policy.bind(**(defaults | wish))  # type: ignore[arg-type]


def asking(
    spiffe_ids: tuple[str, ...] = (),
    dns_names: tuple[str, ...] = (),
    foreign_names: bool = False,
) -> SigningRequest:
    return SigningRequest(
        public_key=keys.generate().public_key(),
        spiffe_ids=spiffe_ids,
        dns_names=dns_names,
        foreign_names=foreign_names,
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [(None, ID), ("/team/x", "spiffe://acme.example/team/x"), ("y", "spiffe://acme.example/y")],
)
def test_the_path_is_the_operators_or_the_workloads_name(path: str | None, expected: str) -> None:
    assert bind(path=path).names.spiffe_id == expected


@pytest.mark.parametrize("path", ["/devwiz-gw", "/devwiz-gw/issuer", "devwiz-gw/other"])
def test_the_issuers_own_ids_are_reserved(path: str) -> None:
    with pytest.raises(InvalidPolicy, match="reserved"):
        bind(path=path)


def test_a_path_that_only_looks_reserved_is_free() -> None:
    assert bind(path="/devwiz-gw-2").names.spiffe_id.endswith("/devwiz-gw-2")


def test_dns_names_are_lower_case_and_once() -> None:
    assert bind(dns_names=("A.example", "a.example", "localhost")).names.dns_names == (
        "a.example",
        "localhost",
    )


@pytest.mark.parametrize(
    "name", ["", "*.a.example", "127.0.0.1", "a..b", "-a", "a_b", "a.example.", "x" * 64, "é.fr"]
)
def test_what_is_no_host_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidPolicy, match="not usable"):
        bind(dns_names=(name,))


def test_too_many_names_are_refused() -> None:
    with pytest.raises(InvalidPolicy, match="too many"):
        bind(dns_names=tuple(f"n{number}.example" for number in range(33)))


@pytest.mark.parametrize("life", [timedelta(seconds=9), timedelta(hours=25)])
def test_a_life_out_of_range_is_refused(life: timedelta) -> None:
    with pytest.raises(InvalidPolicy, match="out of range"):
        bind(max_life=life)


@pytest.mark.parametrize(
    "request_",
    [asking(), asking((ID,)), asking((ID,), ("b.example", "a.example")), asking((ID, ID))],
    ids=["none", "id", "all", "twice"],
)
def test_names_absent_or_equal_pass(request_: SigningRequest) -> None:
    policy.check_request(request_, NAMES)


@pytest.mark.parametrize(
    "request_",
    [
        asking(("spiffe://acme.example/agent/admin",)),
        asking((ID, "spiffe://acme.example/agent/admin")),
        asking((), ("a.example",)),
        asking((), ("a.example", "b.example", "c.example")),
        asking(foreign_names=True),
    ],
    ids=["other id", "second id", "fewer DNS", "more DNS", "other kind"],
)
def test_other_names_are_refused(request_: SigningRequest) -> None:
    with pytest.raises(Refused) as caught:
        policy.check_request(request_, NAMES)
    assert caught.value.code is Code.NAMES_REFUSED


def test_a_leaf_lives_as_short_as_the_shortest_limit() -> None:
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    far = NOW + timedelta(days=9)
    assert policy.leaf_life(default=hour, cap=minute, now=NOW, end=far) == minute
    assert policy.leaf_life(default=minute, cap=hour, now=NOW, end=far) == minute
    assert policy.leaf_life(default=hour, cap=hour, now=NOW, end=NOW + minute) == minute
    with pytest.raises(Refused, match="expired or is about to"):
        policy.leaf_life(default=hour, cap=hour, now=NOW, end=NOW + timedelta(seconds=9))


def test_a_binding_of_one_name_grants_that_name() -> None:
    binding = bind()
    assert policy.granted(binding, asking()) is binding
    assert policy.granted(binding, asking((ID,))) is binding
    with pytest.raises(Refused):
        policy.granted(binding, asking((f"{ID}/agent/x",)))


def test_a_pattern_grants_the_one_agent_that_is_asked_for() -> None:
    binding = bind(path="/laptop", derive=True)
    above = "spiffe://acme.example/laptop/agent"
    assert binding.is_pattern
    assert binding.names.spiffe_id == f"{above}/*"
    granted = policy.granted(binding, asking((f"{above}/planner-2",)))
    assert granted.names.spiffe_id == f"{above}/planner-2"
    assert not granted.is_pattern
    assert (granted.workload, granted.max_life) == (binding.workload, binding.max_life)


@pytest.mark.parametrize(
    "asked",
    [
        (),
        ("spiffe://acme.example/laptop",),
        ("spiffe://acme.example/laptop/agent/",),
        ("spiffe://acme.example/laptop/agent/*",),
        ("spiffe://acme.example/laptop/agent/..",),
        ("spiffe://acme.example/laptop/agent/a/b",),
        ("spiffe://acme.example/laptop/agent/a", "spiffe://acme.example/laptop/agent/b"),
        ("spiffe://acme.example/laptop/agent/a", "spiffe://acme.example/other"),
        ("spiffe://acme.example/laptop2/agent/a",),
        ("spiffe://other.example/laptop/agent/a",),
        ("spiffe://acme.example/devwiz-gw/issuer",),
    ],
)
def test_a_pattern_grants_nothing_else(asked: tuple[str, ...]) -> None:
    with pytest.raises(Refused) as caught:
        policy.granted(bind(path="/laptop", derive=True), asking(asked))
    assert caught.value.code is Code.NAMES_REFUSED


def test_the_issuers_own_ids_are_reserved_for_patterns_too() -> None:
    with pytest.raises(InvalidPolicy, match="reserved"):
        bind(path="/devwiz-gw", derive=True)
