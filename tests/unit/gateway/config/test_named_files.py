"""`gateway.config.named_files`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway.config.named_files import unreadable_files
from tests.fakes import configs


def test_every_file_that_can_not_be_read_is_named_by_its_key(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("")
    (tmp_path / "k.pem").mkdir()
    route = configs.route(trust_bundle=tmp_path / "other.pem", crl=tmp_path / "crl.pem")
    config = configs.config(tmp_path, route)
    config = replace(config, identity=replace(config.identity, crl=tmp_path / "own.pem"))
    found = {problem.key: problem for problem in unreadable_files(config)}
    assert set(found) == {
        "identity.files.private_key",
        "identity.files.trust_bundle",
        "identity.crl",
        "routes.planner.trust_bundle",
        "routes.planner.crl",
    }
    assert "no such file" in found["routes.planner.trust_bundle"].message


def test_a_configuration_whose_files_are_there_has_no_problem(tmp_path: Path) -> None:
    for name in ("c.pem", "k.pem", "b.pem"):
        (tmp_path / name).write_text("")
    assert unreadable_files(configs.config(tmp_path)) == []
