from __future__ import annotations

from pathlib import Path

import pytest

from gateway.control_plane.bundles import read_bundles
from gateway.errors import ConfigInvalid
from tests.fakes import configs

PEM = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"


def test_only_routes_with_a_bundle_of_their_own_are_read(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(PEM)
    config = configs.config(
        tmp_path, configs.route("own", trust_bundle=path), configs.route("shared")
    )
    assert read_bundles(config) == {"own": PEM}


def test_every_bad_bundle_is_named_by_its_key(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing here")
    config = configs.config(
        tmp_path,
        configs.route("a", trust_bundle=tmp_path / "missing.pem"),
        configs.route("b", trust_bundle=empty),
    )
    with pytest.raises(ConfigInvalid) as got:
        read_bundles(config)
    shown = [(problem.key, problem.message) for problem in got.value.problems]
    assert shown == [
        (
            "routes[0].trust_bundle",
            f"{tmp_path}/missing.pem can't be read: no such file or directory",
        ),
        ("routes[1].trust_bundle", f"{empty} holds no certificate"),
    ]
