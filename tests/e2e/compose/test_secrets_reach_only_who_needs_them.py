"""Secrets are files of the services that name them, and are nowhere else to be found."""

from __future__ import annotations

import json
import tarfile

import pytest

from tests.e2e.compose.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

MOUNTED = {
    "issuer": set(),
    "remote-agent": {"join-planner", "planner-token"},
    "gateway": {"join-laptop", "planner-token", "local-token.agent"},
    "local-agent": {"local-token.agent"},
}


@pytest.mark.parametrize("service", MOUNTED)
def test_each_service_has_its_own(network: Project, service: str) -> None:
    listed = network.shell(service, "find", "/run", "-path", "/run/secrets/*")
    assert {line.rpartition("/")[2] for line in listed.split()} == MOUNTED[service]


@pytest.mark.parametrize("service", ["remote-agent", "gateway", "local-agent"])
def test_their_files_can_be_read_by_the_services_user_only_and_not_be_written(
    network: Project, service: str
) -> None:
    found = network.shell(service, "find", "/run/secrets", "-type", "f", "-printf", "%m %U\\n")
    assert set(found.splitlines()) == {f"600 {_user(network)}"}
    with pytest.raises(AssertionError, match="Read-only file system"):
        network.shell(service, "sh", "-c", "for f in /run/secrets/*; do echo x > $f; done")


def test_the_engine_knows_none_of_their_values(network: Project) -> None:
    values = [file.read_text().strip() for file in (network.folder / "secrets").iterdir()]
    assert len(values) == 4
    known = [json.dumps(network.inspect(service)) for service in MOUNTED]
    known += [network.engine.docker("history", "--no-trunc", "devwiz-gw:local")]
    known += [network.run("logs", "--no-color")]
    for value in values:
        assert value
        assert not any(value in text for text in known)


def test_the_image_has_nothing_of_what_was_prepared(network: Project) -> None:
    saved = network.engine.folder / "image.tar"
    container = network.engine.docker("create", "devwiz-gw:local").strip()
    network.engine.docker("export", "--output", str(saved), container)
    network.engine.docker("rm", container)
    with tarfile.open(saved) as image:
        names = image.getnames()
    saved.unlink()
    assert "opt/devwiz-gw/bin/devwiz-gw" in names
    assert not [name for name in names if "join-laptop" in name or name.endswith("ca.key")]
    assert not [name for name in names if name.startswith("src/")]


def _user(project: Project) -> str:
    settings = (project.folder / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in settings)["DEVWIZ_UID"]
