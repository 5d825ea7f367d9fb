from __future__ import annotations

import plistlib
from pathlib import Path

from gateway.service.launchd import MARK, property_list
from gateway.service.spec import ServiceSpec

AGENT = ServiceSpec(
    name="devwiz-gw-acme",
    title="a gateway",
    source=Path("/Users/ada/gw & more/gw.toml"),
    command=("/opt/gw/bin/devwiz-gw", "serve", "--config", "/Users/ada/gw & more/gw.toml"),
    environment={"XDG_STATE_HOME": "/Users/ada/state"},
    stop_s=55.0,
)


def test_an_agent() -> None:
    text = property_list(AGENT, log="/Users/ada/Library/Logs/gw.log")
    assert MARK in text
    found = plistlib.loads(text)
    assert found["Label"] == "devwiz-gw-acme"
    assert found["ProgramArguments"] == list(AGENT.command)
    assert found["KeepAlive"] == {"SuccessfulExit": False}
    assert found["Umask"] == 0o077
    assert found["ExitTimeOut"] == 55
    assert found["HardResourceLimits"] == {"Core": 0}
    assert found["EnvironmentVariables"] == {"XDG_STATE_HOME": "/Users/ada/state"}
    assert found["LimitLoadToSessionType"] == "Aqua"
    assert "UserName" not in found
    assert "Sockets" not in found


def test_a_daemon() -> None:
    daemon = ServiceSpec(
        name="gw", title="", source=Path("/etc/gw"), command=("/opt/gw",), run_as="_gateway"
    )
    found = plistlib.loads(property_list(daemon, log="/var/log/gw.log"))
    assert found["UserName"] == "_gateway"
    assert "LimitLoadToSessionType" not in found
    assert "EnvironmentVariables" not in found
