from __future__ import annotations

import pytest

from gateway.errors import GatewayError
from gateway.service.manager_program import ManagerProgram, systemctl


def test_what_a_program_says_is_told() -> None:
    assert ManagerProgram("printf", "%s")("said") == "said"
    shell = ManagerProgram("sh", "-c")
    with pytest.raises(GatewayError, match="failed: not so"):
        shell("echo not so >&2; exit 3")
    assert shell.ask("exit 3") == (3, "", "")
    with pytest.raises(GatewayError) as failed:
        shell("echo Failed to connect to bus: nothing >&2; exit 1")
    assert "loginctl enable-linger" in failed.value.hint


def test_a_program_that_is_not_here() -> None:
    with pytest.raises(GatewayError, match="another service manager"):
        ManagerProgram("no-such-manager-here")("start")


def test_a_user_s_manager_is_another_one() -> None:
    assert systemctl(is_system=False)._command == ("systemctl", "--user")
    assert systemctl(is_system=True)._command == ("systemctl",)
