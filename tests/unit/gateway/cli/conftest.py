"""What the command-line tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.admin_server import Answer, FakeAdminServer

StartAdmin = Callable[..., FakeAdminServer]

READY: dict[str, Any] = {"ready": True, "checks": {"identity": {"ok": True, "reason": ""}}}
NOT_READY: dict[str, Any] = {
    "ready": False,
    "checks": {
        "identity": {"ok": False, "reason": "no certificate yet"},
        "workers": {"ok": True, "reason": ""},
    },
}


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, with a configuration file and no user's own one elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "devwiz-gw.toml").write_text('project = "acme"\n')
    return tmp_path


@pytest.fixture
def start_admin(workdir: Path) -> Iterator[StartAdmin]:
    """Starts an admin server where the configuration file of `workdir` says that it is."""
    with ExitStack() as stack:

        def start(answers: dict[str, Any], *, delay_s: float = 0.0) -> FakeAdminServer:
            server = FakeAdminServer(workdir / "devwiz-gw.sock", answers, delay_s=delay_s)
            return stack.enter_context(server)

        yield start


__all__ = ["NOT_READY", "READY", "Answer", "StartAdmin"]
