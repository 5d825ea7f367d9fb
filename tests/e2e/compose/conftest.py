"""An engine for the tests that are marked `engine`, with the images of compose/ in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.components import missing
from tests.e2e.compose import images
from tests.e2e.compose.project import Project, copied
from tests.engine import Engine, engine_trouble, require_engine

StartProject = Callable[..., Project]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Make the images before the first test's time runs."""
    wanted = any(item.get_closest_marker("engine") for item in items)
    if (
        wanted
        and not config.option.collectonly
        and shutil.which("dockerd")
        and not engine_trouble()
    ):
        images.make_images()


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """One engine for all of this worker's tests."""
    require_engine()
    if images.failure:
        raise missing(images.failure[0])
    with Engine() as engine:
        images.load_images(engine)
        yield engine


@pytest.fixture(scope="session")
def sidecar(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """compose.yaml, running, with certificates that are renewed every 15 s: shorter ones would end
    before the streams do. Tests share it and leave it running; it ends with its engine.
    """
    project = Project(
        engine, copied(tmp_path_factory.mktemp("sidecar")), "compose.yaml", life="30s"
    )
    project.prepare()
    project.up()
    return project


@pytest.fixture(scope="session")
def network(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """compose.network.yaml, running; tests share it."""
    folder = copied(tmp_path_factory.mktemp("network"))
    project = Project(engine, folder, "compose.network.yaml")
    project.prepare()
    project.up()
    return project


@pytest.fixture(scope="module")
def start(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartProject]:
    """Makes a project of `file`; `life` is that of the certificates."""
    with ExitStack() as cleanup:

        def made(
            file: str = "compose.yaml",
            *,
            life: str = "1h",
            prepared: bool = True,
            with_command: bool = True,
        ) -> Project:
            project = Project(engine, copied(tmp_path_factory.mktemp("stack")), file, life=life)
            if prepared:
                project.prepare(with_command=with_command)
                cleanup.enter_context(project)
            return project

        yield made
