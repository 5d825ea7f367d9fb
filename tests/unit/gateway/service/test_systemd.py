from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config.model import TcpAddress, UnixAddress
from gateway.errors import GatewayError
from gateway.service.spec import ServiceSpec
from gateway.service.systemd import MARK, Systemd, units, unmanaged

SYSTEM = ServiceSpec(
    name="gw",
    title="a gateway",
    source=Path("/etc/gw/gw.toml"),
    command=("/opt/gw/bin/devwiz-gw", "serve", "--config", "/etc/gw/gw.toml"),
    reload=("/opt/gw/bin/devwiz-gw", "reload", "--config", "/etc/gw/gw.toml"),
    run_as="gateway",
    uses=(Path("/opt/gw"), Path("/etc/gw/gw.toml")),
    writes=(Path("/run/gw"), Path("/var/lib/devwiz-gw"), Path("/var/log/gw/x"), Path("/srv/tls")),
    stop_s=85.0,
    watchdog_s=30.0,
    listens=(
        TcpAddress("127.0.0.1", 8080),
        TcpAddress("::1", 8080),
        UnixAddress(Path("/run/gw/s")),
    ),
)
PERSON = replace(SYSTEM, run_as="", writes=(Path("/run/user/7/gw"), Path("/home/a/.local/state")))


def settings(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def service(
    spec: ServiceSpec, systemd: Systemd, *, by_socket: bool = False
) -> dict[str, list[str]]:
    return settings(units(spec, systemd, by_socket=by_socket).texts["gw.service"])


def test_a_service_of_the_machine() -> None:
    made = units(SYSTEM, Systemd(version=252))
    assert made.enabled == ("gw.service",)
    assert set(made.texts) == {"gw.service"}
    assert made.texts["gw.service"].startswith(f"{MARK} from /etc/gw/gw.toml.")
    found = settings(made.texts["gw.service"])
    assert found["Type"] == ["notify"]
    assert found["ExecReload"] == ["/opt/gw/bin/devwiz-gw reload --config /etc/gw/gw.toml"]
    assert found["User"] == ["gateway"]
    assert (found["TimeoutStopSec"], found["WatchdogSec"]) == (["85"], ["30"])
    assert found["RuntimeDirectory"] == ["gw"]
    assert found["StateDirectory"] == ["devwiz-gw"]
    assert found["LogsDirectory"] == ["gw/x"]
    assert found["ReadWritePaths"] == ["/srv/tls"]
    assert unmanaged(SYSTEM, Systemd()) == [Path("/srv/tls")]
    assert found["CapabilityBoundingSet"] == [""]
    assert found["ProtectHome"] == ["yes"]
    assert found["PrivateTmp"] == ["yes"]
    assert found["LimitCORE"] == ["0"]
    assert found["After"] == ["network-online.target"]
    assert found["WantedBy"] == ["multi-user.target"]
    assert "RestartSteps" not in found
    assert "MemoryDenyWriteExecute" not in found


def test_what_newer_systemds_can_do() -> None:
    found = service(SYSTEM, Systemd(version=255))
    assert found["Type"] == ["notify-reload"]
    assert "ExecReload" not in found
    assert found["RestartMaxDelaySec"] == ["60"]
    assert service(replace(SYSTEM, reload=()), Systemd(version=255))["Type"] == ["notify"]


def test_a_person_s_service_has_its_own_view_only_with_namespaces() -> None:
    bare = service(PERSON, Systemd(runtime_folder=Path("/run/user/7")))
    assert bare["NoNewPrivileges"] == ["yes"]
    assert bare["WantedBy"] == ["default.target"]
    assert bare["RuntimeDirectory"] == ["gw"]
    for key in ("User", "CapabilityBoundingSet", "ProtectSystem", "PrivateUsers", "StateDirectory"):
        assert key not in bare
    here = Systemd(namespaces=True, runtime_folder=Path("/run/user/7"))
    found = service(PERSON, here)
    assert found["PrivateUsers"] == ["yes"]
    assert found["ProtectSystem"] == ["strict"]
    assert found["ReadWritePaths"] == ["/home/a/.local/state"]
    assert found["ProtectHome"] == ["read-only"]
    # Other users can't be told apart in a namespace.
    assert "PrivateUsers" not in service(replace(PERSON, sees_users=True), here)


def test_settings_follow_from_what_is_needed() -> None:
    home = replace(SYSTEM, uses=(*SYSTEM.uses, Path("/home/a/key")))
    assert service(home, Systemd())["ProtectHome"] == ["read-only"]
    temporary = replace(SYSTEM, uses=(*SYSTEM.uses, Path("/tmp/x/key")))
    assert service(temporary, Systemd())["PrivateTmp"] == ["no"]
    programs = service(replace(SYSTEM, starts_programs=True), Systemd())
    assert "SystemCallFilter" not in programs
    assert programs["ProtectHome"] == ["read-only"]
    assert "ProtectProc" not in service(replace(SYSTEM, sees_users=True), Systemd())
    low = replace(SYSTEM, listens=(TcpAddress("127.0.0.1", 443),))
    assert service(low, Systemd())["AmbientCapabilities"] == ["CAP_NET_BIND_SERVICE"]
    assert service(low, Systemd(), by_socket=True)["AmbientCapabilities"] == [""]


def test_sockets() -> None:
    made = units(SYSTEM, Systemd(), by_socket=True)
    assert made.enabled == ("gw.socket",)
    found = settings(made.texts["gw.socket"])
    assert found["ListenStream"] == ["127.0.0.1:8080", "[::1]:8080", "/run/gw/s"]
    assert found["SocketUser"] == ["gateway"]
    assert found["SocketMode"] == ["0600"]
    of_service = settings(made.texts["gw.service"])
    assert of_service["Requires"] == ["gw.socket"]
    assert of_service["RuntimeDirectoryPreserve"] == ["yes"]
    no_ipv6 = settings(units(SYSTEM, Systemd(ipv6=False), by_socket=True).texts["gw.socket"])
    assert "[::1]:8080" not in no_ipv6["ListenStream"]
    with pytest.raises(GatewayError, match="any free port"):
        units(replace(SYSTEM, listens=(TcpAddress("127.0.0.1", 0),)), Systemd(), by_socket=True)


def test_a_vault() -> None:
    unlock = ("/opt/gw/bin/devwiz-gw", "vault", "unlock", "--foreground")
    spec = replace(SYSTEM, credential=Path("/etc/gw/50% of it"), unlock=unlock)
    made = units(spec, Systemd())
    found = settings(made.texts["gw-vault.service"])
    assert found["LoadCredentialEncrypted"] == ["devwiz-gw-vault:/etc/gw/50%% of it"]
    assert found["ExecStart"] == [" ".join(unlock)]
    assert settings(made.texts["gw.service"])["Requires"] == ["gw-vault.service"]
    with pytest.raises(GatewayError, match="systemd 252 has no encrypted credentials"):
        units(replace(spec, run_as=""), Systemd(version=252))
    newer = units(replace(spec, run_as=""), Systemd(version=256))
    assert "gw-vault.service" in newer.texts
