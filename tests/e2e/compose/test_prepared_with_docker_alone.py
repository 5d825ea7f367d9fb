"""`prepare` needs Docker and a shell: without the command on the host it uses the image."""

from __future__ import annotations

import pytest

from tests.e2e.compose.conftest import StartProject

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]


def test_prepared_with_docker_alone(start: StartProject) -> None:
    project = start(with_command=False)
    owners = {path.stat().st_uid for path in (project.folder / "state").rglob("*")}
    assert owners == {10001}
    assert (project.folder / "secrets" / "join-laptop").stat().st_mode & 0o777 == 0o600
    project.up()
    project.work("http://127.0.0.1:8701/mcp")


def test_without_the_image_it_says_what_to_do(start: StartProject) -> None:
    project = start(prepared=False)
    project.engine.docker("tag", "devwiz-gw:local", "kept:local")
    project.engine.docker("rmi", "devwiz-gw:local")
    try:
        with pytest.raises(AssertionError, match="docker build --tag devwiz-gw:local"):
            project.prepare(with_command=False)
    finally:
        project.engine.docker("tag", "kept:local", "devwiz-gw:local")
        project.engine.docker("rmi", "kept:local")
