"""An engine for the tests that are marked `engine`, with the images of compose/ in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

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
        pytest.fail(images.failure[0])
    with Engine() as engine:
        images.load_images(engine)
        yield engine


@pytest.fixture(scope="module")
def start(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartProject]:
    """Prepares a project of `file`; `life` is that of the certificates."""
    with ExitStack() as cleanup:

        def prepared(file: str = "compose.yaml", *, life: str = "1h") -> Project:
            folder: Path = copied(tmp_path_factory.mktemp("stack"))
            project = Project(engine, folder, file, life=life)
            project.prepare()
            return cleanup.enter_context(project)

        yield prepared
