from __future__ import annotations

from pathlib import Path

import pytest

from gateway import app
from gateway.config.model import LogConfig
from gateway.errors import StartFailed
from tests.fakes import configs


async def test_a_log_that_can_not_be_opened_ends_the_start(tmp_path: Path) -> None:
    config = configs.config(tmp_path, log=LogConfig(file=tmp_path / "absent" / "gw.log"))
    with pytest.raises(StartFailed, match="can't open the log"):
        await app.serve(config, announce=print, env={})
