"""What `compose/prepare` makes is a valid compose project with a valid configuration."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import load
from tests.components import require_component

COMPOSE = Path(__file__).parents[3] / "compose"
COMMAND = Path(sys.executable).with_name("devwiz-gw")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stack") / "compose"
    shutil.copytree(
        COMPOSE, folder, ignore=shutil.ignore_patterns("state", "secrets", ".env", "*.whl")
    )
    _prepare(folder)
    return folder


def _prepare(folder: Path) -> None:
    subprocess.run(
        [folder / "prepare"], env={**os.environ, "DEVWIZ_GW": str(COMMAND)}, check=True, timeout=60
    )


def _services(folder: Path, file: str) -> dict[str, Any]:
    program = require_component("docker-compose")
    shown = subprocess.run(
        [program, "--file", file, "config"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    import yaml

    found: dict[str, Any] = yaml.safe_load(shown.stdout)["services"]
    return found


FILES = ("compose.yaml", "compose.network.yaml")


@pytest.mark.parametrize("file", FILES)
def test_every_container_is_unprivileged_and_read_only(prepared: Path, file: str) -> None:
    services = _services(prepared, file)
    assert set(services) >= {"issuer", "remote-agent", "gateway", "local-agent"}
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["init"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["pids_limit"] <= 64, name
        assert service["mem_limit"], name
        assert not str(service["user"]).startswith("0:"), name
        assert "ports" not in service, name


@pytest.mark.parametrize("file", FILES)
def test_the_agent_waits_for_a_healthy_gateway(prepared: Path, file: str) -> None:
    services = _services(prepared, file)
    agent = services["local-agent"]
    assert agent["depends_on"]["gateway"] == {"condition": "service_healthy"}
    assert services["gateway"]["healthcheck"]["test"][:3] == ["CMD", "devwiz-gw", "healthcheck"]


def test_a_stopping_gateway_has_longer_than_its_streams_have(prepared: Path) -> None:
    grace = _services(prepared, "compose.yaml")["gateway"]["stop_grace_period"]
    config = load(prepared / "state" / "devwiz-gw.toml")
    assert int(grace.removesuffix("s")) > config.limits.drain_timeout_s


@pytest.mark.parametrize("file", ["devwiz-gw.toml", "devwiz-gw.network.toml"])
def test_the_configuration_is_valid_and_reads_mounted_secrets(prepared: Path, file: str) -> None:
    config = load(prepared / "state" / file)
    assert config.secrets.folder == Path("/run/secrets")
    names = [name for header in config.routes[0].headers for name in header.secret_names]
    assert names == ["planner-token"]


def test_secret_files_are_private_and_are_kept_when_prepared_again(prepared: Path) -> None:
    secrets = prepared / "secrets"
    for file in secrets.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file
    before = (secrets / "planner-token").read_text()
    _prepare(prepared)
    assert (secrets / "planner-token").read_text() == before


def test_the_pin_is_that_of_the_issuer(prepared: Path) -> None:
    made = subprocess.run(
        [COMMAND, "issuer", "token", "--dir", prepared / "state/issuer", "--name", "x", "--json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    pin = json.loads(made.stdout)["ca_pin"]
    assert f"DEVWIZ_CA_PIN={pin}\n" in (prepared / ".env").read_text()
