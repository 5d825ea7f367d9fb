"""Answers are judged as `config check` would judge them in the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gateway.errors import ConfigProblem
from gateway.first_run.answers import Judge

RAW = {
    "project": "acme",
    "identity": {"source": "spiffe"},
    "routes": [{"name": "taken", "listen": "localhost:8701", "upstream": "https://a.example"}],
}
Asked = Callable[[Judge], ConfigProblem | None]


def judge(raw: Mapping[str, object] | None = None) -> Judge:
    return Judge(Path("/acme/devwiz-gw.toml"), max_socket_path=103, raw=raw)


@pytest.mark.parametrize(
    "asked",
    [
        lambda it: it.project("acme"),
        lambda it: it.identity("issuer", {"url": "https://127.0.0.1:8440"}, "url"),
        lambda it: it.identity("files", {"private_key": "k"}, "private_key"),
        lambda it: it.identity("", {"spiffe_id": "spiffe://acme.example/a"}, "spiffe_id"),
        lambda it: it.identity("vault", {"auth": "jwt", "jwt_file": "j"}, "jwt_file"),
        lambda it: it.route("name", "planner"),
        lambda it: it.route("peer", ["dns:a.example"]),
        lambda it: it.route("headers", {"Authorization": "Bearer {secret:a}"}),
    ],
)
def test_good_answers(asked: Asked) -> None:
    assert asked(judge()) is None
    assert asked(judge(RAW)) is None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda it: it.project("Acme!"), "project"),
        (lambda it: it.project(""), "is empty"),
        (lambda it: it.identity("issuer", {"ca_pin": "sha256:0"}, "ca_pin"), "pin"),
        (lambda it: it.identity("issuer", {"color": "red"}, "color"), "unknown key"),
        (lambda it: it.identity("vault", {"jwt_file": "j"}, "jwt_file"), "unknown key"),
        (lambda it: it.identity("", {"spiffe_id": "acme"}, "spiffe_id"), "spiffe://"),
        (lambda it: it.route("upstream", "http://a.example"), "https://"),
        (lambda it: it.route("name", "Not A Name"), "is not a route name"),
        (lambda it: it.route("listen", "0.0.0.0:8701"), "is not a loopback address"),
        (lambda it: it.route("peer", ["acme"]), "is not a peer name"),
        (lambda it: it.route("headers", {"Host": "x"}), "the gateway's own"),
        (lambda it: it.route("trust_bundle", "a\nb"), "control character"),
        (lambda it: it.route("trust_bundle", "\udcff"), "no text"),
    ],
)
def test_bad_answers(asked: Asked, said: str) -> None:
    for item in (judge(), judge(RAW)):
        problem = asked(item)
        assert problem is not None
        assert said in f"{problem.message} {problem.hint}"


def test_a_route_more_may_take_nothing_from_the_others() -> None:
    for key, value in (("name", "taken"), ("listen", "localhost:8701")):
        assert judge().route(key, value) is None
        assert judge(RAW).route(key, value) is not None
