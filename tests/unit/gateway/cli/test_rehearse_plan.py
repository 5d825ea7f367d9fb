"""What is rehearsed for which configuration."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from certs.rehearsal.plan import FirstIdentity, OutageOf, Renewals, SleepOf, title
from certs.rehearsal.stage import StandIn
from gateway.cli import rehearse_plan
from gateway.cli.rehearse_plan import Wishes
from gateway.config.load import load
from gateway.config.model import Config, GoogleWifSourceConfig, VaultSourceConfig

HOUR = timedelta(hours=1)

ROUTE = """
[[routes]]
name = "planner"
listen = "127.0.0.1:0"
upstream = "https://planner.example.com"
"""
TABLES = {
    "issuer": f'url = "https://127.0.0.1:1"\nca_pin = "sha256:{"0" * 64}"\ntoken_file = "t"',
    "step-ca": f'url = "https://127.0.0.1:1"\nfingerprint = "{"0" * 64}"\nprovisioner = "dev"\n'
    'provisioner_key_file = "k"',
    "vault": 'url = "https://127.0.0.1:1"\nrole = "agent"\ntoken_file = "t"',
    "spiffe": 'socket = "unix:///run/agent.sock"',
    "google-wif": 'credential_file = "c.json"\nca_pool = "projects/p/locations/l/caPools/c"',
    "files": 'certificate = "c"\nprivate_key = "k"\ntrust_bundle = "b"',
}


def config_of(folder: Path, *sources: str) -> Config:
    listed = ", ".join(f'"{source}"' for source in sources)
    tables = "\n".join(f"[identity.{source}]\n{TABLES[source]}" for source in sources)
    file = folder / "devwiz-gw.toml"
    file.write_text(
        f'project = "acme"\n[identity]\nsources = [{listed}]\n'
        f'spiffe_id = "spiffe://acme.example/agent/laptop"\n{tables}\n{ROUTE}'
    )
    return load(file)


def test_a_life_is_asked_of_those_who_take_a_wish(tmp_path: Path) -> None:
    config = config_of(tmp_path, "vault", "google-wif", "step-ca")
    vault, google, step_ca = config.identity.sources
    wished = [rehearse_plan.asked_for(source, timedelta(seconds=60)) for source in (vault, google)]
    assert isinstance(wished[0], VaultSourceConfig)
    assert wished[0].ttl_s == 60
    assert isinstance(wished[1], GoogleWifSourceConfig)
    assert wished[1].lifetime_s == 60
    assert rehearse_plan.asked_for(step_ca, timedelta(seconds=60)) is step_ca
    assert rehearse_plan.asked_for(vault, None) is vault


@pytest.mark.parametrize("source", ["spiffe", "files"])
def test_what_is_pushed_is_not_asked_to_renew(tmp_path: Path, source: str) -> None:
    (wanted,) = config_of(tmp_path, source).identity.sources
    assert rehearse_plan.real_steps(wanted, HOUR, Wishes()) == []


def test_an_issuer_of_ones_own_is_asked_within_the_certificates_life(tmp_path: Path) -> None:
    (wanted,) = config_of(tmp_path, "vault").identity.sources
    steps = rehearse_plan.real_steps(wanted, HOUR, Wishes(real_renewals=7))
    assert steps == [Renewals(7), OutageOf(HOUR / 4), SleepOf(HOUR * 0.3)]


def test_the_plan_is_of_renewals_outages_and_sleeps(tmp_path: Path) -> None:
    steps = rehearse_plan.simulated_steps(config_of(tmp_path, "vault").identity, HOUR, Wishes())
    assert [title(step) for step in steps[:5]] == [
        "first identity",
        "100 renewals",
        "issuer refuses for 15m",
        "issuer silent for 15m",
        "sleep of 9h",
    ]
    assert steps[0] == FirstIdentity()
    assert [title(step) for step in steps[5:]] == [
        "authority: init",
        "authority: update_clients",
        "authority: update_servers",
        "authority: standby",
        "authority: init",
        "authority: update_clients",
        "authority: update_servers",
        "authority: rollback",
        "authority: standby",
    ]


def test_wishes_take_the_place_of_the_plans_own(tmp_path: Path) -> None:
    wishes = Wishes(renewals=5, outages=(HOUR, 2 * HOUR), sleeps=(3 * HOUR,))
    steps = rehearse_plan.simulated_steps(config_of(tmp_path, "vault").identity, HOUR, wishes)
    assert Renewals(5) in steps
    assert [step for step in steps if isinstance(step, OutageOf | SleepOf)] == [
        OutageOf(HOUR),
        OutageOf(2 * HOUR),
        SleepOf(3 * HOUR),
    ]


def test_of_several_sources_the_first_is_away_alone(tmp_path: Path) -> None:
    config = config_of(tmp_path, "spiffe", "step-ca")
    steps = rehearse_plan.simulated_steps(config.identity, HOUR, Wishes())
    assert OutageOf(2 * HOUR, is_whole=False) in steps
    assert [item.name for item in rehearse_plan.scene(config.identity, HOUR, Wishes()).sources] == [
        "spiffe",
        "step-ca",
    ]


@pytest.mark.parametrize(
    ("source", "joins"), [("issuer", 4), ("vault", None), ("step-ca", None), ("files", None)]
)
def test_a_token_is_spent_by_joins(tmp_path: Path, source: str, joins: int | None) -> None:
    scene = rehearse_plan.scene(config_of(tmp_path, source).identity, HOUR, Wishes(joins=4))
    ((stand_in,), after) = scene.sources, timedelta(days=7 if source == "issuer" else 0)
    assert stand_in == StandIn(name=source, joins=joins, renewable_after=after)
    assert scene.offer.trust_domain == "acme.example"


WAYS = {
    "bound": 'bound_rule = "laptop"\nbound_key_secret = "key"',
    "read-only": 'bound_rule = "laptop"\nbound_key_file = "key"',
    "identity token": 'token_rule = "ci"\nid_token_file = "token"',
}


def joined_by(folder: Path, way: str) -> Config:
    file = folder / "devwiz-gw.toml"
    config_of(folder, "issuer")
    file.write_text(file.read_text().replace('token_file = "t"', WAYS[way]))
    return load(file)


@pytest.mark.parametrize("way", WAYS)
def test_a_key_or_an_identity_token_is_not_spent(tmp_path: Path, way: str) -> None:
    scene = rehearse_plan.scene(joined_by(tmp_path, way).identity, HOUR, Wishes(joins=4))
    assert [stand_in.joins for stand_in in scene.sources] == [None]


@pytest.mark.parametrize("way", WAYS)
def test_a_bound_key_with_its_state_is_for_one_program_at_a_time(tmp_path: Path, way: str) -> None:
    (source,) = joined_by(tmp_path, way).identity.sources
    assert rehearse_plan.takes_turns(source) is (way == "bound")


def test_a_ready_token_of_step_ca_is_spent_as_well(tmp_path: Path) -> None:
    file = tmp_path / "devwiz-gw.toml"
    config_of(tmp_path, "step-ca")
    text = file.read_text().replace('provisioner = "dev"\n', "")
    file.write_text(text.replace("provisioner_key_file", "token_file"))
    scene = rehearse_plan.scene(load(file).identity, HOUR, Wishes(joins=2))
    assert scene.sources == [StandIn(name="step-ca", joins=2)]


@pytest.mark.parametrize(
    ("life", "given"),
    [(timedelta(seconds=1), timedelta(seconds=10)), (HOUR, HOUR), (90 * HOUR, 24 * HOUR)],
)
def test_lives_are_kept_within_what_the_embedded_issuer_gives(
    tmp_path: Path, life: timedelta, given: timedelta
) -> None:
    assert (
        rehearse_plan.scene(config_of(tmp_path, "vault").identity, life, Wishes()).offer.life
        == given
    )


def test_how_long_an_outage_costs_nothing() -> None:
    assert rehearse_plan.survivable(HOUR) == timedelta(minutes=24)
