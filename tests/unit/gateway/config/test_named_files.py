"""`gateway.config.named_files`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config.model import FileTokenConfig, GoogleTokenConfig, SupabaseTokenConfig
from gateway.config.named_files import unusable_files
from tests.fakes import configs
from tests.fakes.authority import Authority


def test_every_file_that_can_not_be_read_is_named_by_its_key(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("")
    (tmp_path / "k.pem").mkdir()
    route = configs.route(trust_bundle=tmp_path / "other.pem", crl=tmp_path / "crl.pem")
    config = configs.config(tmp_path, route)
    config = replace(config, identity=replace(config.identity, crl=tmp_path / "own.pem"))
    found = {problem.key: problem for problem in unusable_files(config)}
    assert set(found) == {
        "identity.files.private_key",
        "identity.files.trust_bundle",
        "identity.crl",
        "routes.planner.trust_bundle",
        "routes.planner.crl",
    }
    assert "no such file" in found["routes.planner.trust_bundle"].message


def test_a_configuration_whose_files_are_there_has_no_problem(tmp_path: Path) -> None:
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text("")
    (tmp_path / "b.pem").write_text(Authority().pem)
    assert unusable_files(configs.config(tmp_path)) == []


@pytest.mark.parametrize(
    ("bundle", "lists", "why"),
    [
        ("no PEM", "", "routes.planner.trust_bundle"),
        (Authority().issue("leaf").chain_pem, "", "routes.planner.trust_bundle"),
        (Authority().pem, "no list", "routes.planner.crl"),
        (Authority().pem, Authority().crl(1)[:-40], "routes.planner.crl"),
    ],
)
def test_a_trust_file_with_something_else_in_it_is_told(
    tmp_path: Path, bundle: str, lists: str, why: str
) -> None:
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text("")
    (tmp_path / "b.pem").write_text(Authority().pem)
    (tmp_path / "other.pem").write_text(bundle)
    (tmp_path / "crl.pem").write_text(lists or Authority().crl(1))
    route = configs.route(trust_bundle=tmp_path / "other.pem", crl=tmp_path / "crl.pem")
    (problem,) = unusable_files(configs.config(tmp_path, route))
    assert problem.key == why
    assert str(tmp_path) in problem.message


def test_files_of_tokens_are_named_but_the_token_itself(tmp_path: Path) -> None:
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text("")
    (tmp_path / "b.pem").write_text(Authority().pem)
    google = GoogleTokenConfig(
        name="google",
        credential_file=tmp_path / "adc.json",
        audience="",
        scopes=(),
        allowed_hosts=(),
        ca_file=None,
        allow_executables=False,
    )
    supabase = SupabaseTokenConfig(
        name="supabase",
        url="https://r.supabase.co",
        publishable_key="k",
        audience="authenticated",
        ca_file=tmp_path / "ca.pem",
    )
    file = FileTokenConfig(name="file", path=tmp_path / "token")
    config = configs.config(tmp_path, tokens=(google, supabase, file))
    assert [problem.key for problem in unusable_files(config)] == [
        "tokens.google.credential_file",
        "tokens.supabase.ca_file",
    ]
